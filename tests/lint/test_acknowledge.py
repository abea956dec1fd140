"""A breaking change that is meant is acknowledged exactly, with a reason, until a day."""

import datetime

import pytest

from bedplate.lint.breaking.acknowledge import AcknowledgementError, apply, read
from bedplate.lint.finding import Finding, Place, Severity
from bedplate.lint.report import fails

TODAY = datetime.date(2026, 11, 22)
GET = "acme.shop.v1.ShopService.GetPrice"
SHORTER = Finding(Place("protos/shop.proto", 5, 3), "BB301", Severity.POLICY, GET, "Shorter.")
ENTRY = """\
[[acknowledge]]
code = "{code}"
place = "{place}"
reason = "All were asked."
until = {until}
"""


def applied(tmp_path, *findings, code="BB301", place=GET, until="2027-01-31"):
    path = tmp_path / "breaking.toml"
    path.write_text(f"# Meant.\n{ENTRY.format(code=code, place=place, until=until)}")
    return apply(findings, read(path), shown="protos/breaking.toml", today=TODAY)


def test_a_change_that_is_acknowledged_is_not_told(tmp_path):
    assert applied(tmp_path, SHORTER) == []


def test_an_acknowledgement_counts_on_its_last_day(tmp_path):
    assert applied(tmp_path, SHORTER, until="2026-11-22") == []


def test_after_its_day_both_are_told(tmp_path):
    left = applied(tmp_path, SHORTER, until="2026-11-21")

    assert [finding.code for finding in left] == ["BB301", "BB002"]
    assert str(left[1].place) == "protos/breaking.toml:2:1"


@pytest.mark.parametrize(("code", "place"), [("BB302", GET), ("BB301", f"{GET}s"), ("BB301", "acme.shop.v1")])
def test_another_code_or_place_acknowledges_nothing_and_is_advice(tmp_path, code, place):
    left = applied(tmp_path, SHORTER, code=code, place=place)

    assert [finding.code for finding in left] == ["BB301", "BB001"]
    assert left[1].severity is Severity.ADVICE
    assert place in left[1].sentence


def test_what_is_not_needed_any_more_fails_nothing(tmp_path):
    left = applied(tmp_path)

    assert [finding.code for finding in left] == ["BB001"]
    assert not fails(left)


def test_without_the_file_nothing_is_acknowledged(tmp_path):
    assert read(tmp_path / "breaking.toml") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[acknowledge]\n", "is not TOML"),
        ("[[acknowledged]]\ncode = 'BB301'\n", "holds entries [[acknowledge]] and nothing else"),
        ("acknowledge = 1\n", "holds entries"),
        ("[[acknowledge]]\ncode = 'BB301'\n", ":1: an entry has code, place, reason, until"),
        (ENTRY.format(code="BB301", place=GET, until="2027-01-31") + "by = 'me'\n", "and nothing else"),
        (ENTRY.format(code="BB301", place="", until="2027-01-31"), "place must be a text"),
        (ENTRY.format(code="BP301", place=GET, until="2027-01-31"), "BP301 is no code of a breaking change"),
        (ENTRY.format(code="BB001", place=GET, until="2027-01-31"), "BB001 is no code of a breaking change"),
        (ENTRY.format(code="BB301", place=GET, until='"soon"'), "until must be a day"),
        (ENTRY.format(code="BB301", place=GET, until="2027-01-31T10:00:00"), "until must be a day"),
    ],
)
def test_a_file_that_is_not_exact_is_refused_with_what_to_write(tmp_path, text, told):
    path = tmp_path / "breaking.toml"
    path.write_text(text)

    with pytest.raises(AcknowledgementError) as error:
        read(path)

    assert told in str(error.value)
