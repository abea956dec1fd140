"""What is meant is allowed, with a reason, at one place, and only as long as it is needed."""

from pathlib import Path

import pytest

from bedplate.lint.check import check
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Finding, Place
from bedplate.lint.rule import Limits
from bedplate.lint.suppress import Allowance
from tests.lint.examples import Example, compiled, whole

CLOSE = """\
rpc CloseShop(CloseShopRequest) returns (CloseShopResponse) {{
  {comment}
  option (google.api.http) = {{post: "/v1/shops/{{shop_id}}/close" body: "*"}};
  option (bedplate.v1.policy) = {{
    idempotency: IDEMPOTENCY_NATURAL
    visibility: VISIBILITY_PUBLIC
  }};
}}
"""
LOGIN = """\
message Login {{
  // Who it is.
  string name = 1;
  {comment}
  string password = 2;
  // Once more.
  string new_password = 3;
}}
"""


def found(example: Example, folder: Path, *allowances: Allowance) -> list[Finding]:
    contract: Contract = compiled([example], folder)[example.name]
    return check(contract, Limits(), allowances)


def test_a_comment_in_a_method_allows_a_rule_for_it(tmp_path):
    comment = "// bedplate: allow BP436: a shop's id may hold colons"

    assert found(whole("one", CLOSE.format(comment=comment)), tmp_path) == []


def test_a_comment_before_a_field_allows_a_rule_for_this_field_only(tmp_path):
    example = whole("one", LOGIN.format(comment="// The word.\n  // bedplate: allow BP602: a riddle"))

    findings = found(example, tmp_path)

    assert [(finding.code, finding.element) for finding in findings] == [
        ("BP602", "acme.one.v1.Login.new_password")
    ]


def test_a_comment_at_the_end_of_a_line_allows_a_rule_there(tmp_path):
    text = "message Login {\n  string password = 1;  // bedplate: allow BP602: a riddle\n}\n"

    assert found(whole("one", text), tmp_path) == []


def test_an_allowance_is_no_comment_that_says_what_a_thing_is(tmp_path):
    text = "message Login {\n  // bedplate: allow BP602: a riddle\n  string password = 1;\n}\n"

    findings = found(whole("one", text), tmp_path)

    assert [(finding.code, finding.element) for finding in findings] == [
        ("BP501", "acme.one.v1.Login.password")
    ]


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("// bedplate: allow BP301: not so", "BP301 is allowed here and not found"),
        ("// bedplate: allow BP436", "needs a code and a reason"),
        ("// bedplate: allow", "needs a code and a reason"),
        ("// bedplate: allow P436: no code", "needs a code and a reason"),
    ],
)
def test_an_allowance_that_allows_nothing_is_told_at_its_line(comment, told, tmp_path):
    example = whole("one", CLOSE.format(comment=comment))

    findings = found(example, tmp_path)

    wrong = [finding for finding in findings if finding.code == "BP001"]
    assert [finding.place.line for finding in wrong] == [example.line("// bedplate:")]
    assert told in wrong[0].sentence
    assert [finding.code for finding in findings if finding.code != "BP001"] == ["BP436"]


def test_settings_allow_a_rule_for_a_full_name(tmp_path):
    example = whole("one", CLOSE.format(comment=""))
    method = "acme.one.v1.ShopService.CloseShop"
    allowance = Allowance("BP436", (method,), Place("pyproject.toml", 3, 1), "colons")

    assert found(example, tmp_path, allowance) == []


def test_settings_that_allow_what_is_not_found_are_told_by_name(tmp_path):
    example = whole("one", CLOSE.format(comment=""))
    names = ("acme.one.v1.ShopService.CloseShop", "acme.one.v1.ShopService.OpenShop")
    allowance = Allowance("BP436", names, Place("pyproject.toml", 3, 1), "colons")

    findings = found(example, tmp_path, allowance)

    assert [(str(finding.place), finding.code) for finding in findings] == [("pyproject.toml:3:1", "BP001")]
    assert "OpenShop" in findings[0].sentence
    assert "CloseShop" not in findings[0].sentence
