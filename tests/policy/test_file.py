"""The policy file: read strictly, service before method before environment."""

from pathlib import Path
from typing import Any

import pytest

from bedplate.contract.policy import PolicyError
from bedplate.ledger.v1 import ledger_pb2
from bedplate.policy.explain import explain
from bedplate.policy.file import check_targets, load_layers
from bedplate.policy.layers import parse_options

METHOD = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].methods_by_name["GetBalance"]
TEXT = """
["bedplate.ledger.v1.LedgerService/GetBalance"]
deadline.max = "3s"

["bedplate.ledger.v1.LedgerService"]
deadline = { max = "4s" }
rate = { perSecond = 10 }

[environment.staging."bedplate.ledger.v1.LedgerService"]
rollout.percent = 50
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    return path


def values(path: Path, environment: str) -> dict[str, tuple[str, str]]:
    lines = explain(METHOD, load_layers(path, environment=environment))
    return {line.option: (line.value, line.source.replace(str(path), "F")) for line in lines}


def test_a_method_lies_over_its_service_and_both_tell_their_place(file: Path):
    found = values(file, "")

    assert found["deadline.max"] == ("3 s", 'F, ["bedplate.ledger.v1.LedgerService/GetBalance"]')
    assert found["rate.per_second"] == ("10", 'F, ["bedplate.ledger.v1.LedgerService"]')
    assert found["rollout"] == ("100 percent", "default")


def test_the_environments_part_counts_there_only(file: Path):
    place = 'F, [environment.staging."bedplate.ledger.v1.LedgerService"]'

    assert values(file, "staging")["rollout.percent"] == ("50", place)
    assert "rollout.percent" not in values(file, "production")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deadline =", "is not TOML"),
        ('[ledger]\ndeadline.max = "3s"', "neither a service nor a method"),
        ('["a.b.C/"]\n', "neither a service nor a method"),
        ('["a.b.C"]\ndeadline.maximum = "3s"', "maximum"),
        ('[environment.staging."a.b.C"]\nrat = {}', "rat"),
        ("environment = 3", "environment"),
        ("[environment]\nstaging = 3", "must be a table"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, said: str):
    path = tmp_path / "policy.toml"
    path.write_text(text)

    with pytest.raises(PolicyError, match=said) as refused:
        load_layers(path, environment="")

    assert str(path) in str(refused.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    with pytest.raises(PolicyError, match="cannot be read"):
        load_layers(tmp_path, environment="")


def test_a_method_that_there_is_none_of_is_refused(file: Path):
    layers = load_layers(file, environment="")
    check_targets(layers, {"bedplate.ledger.v1.LedgerService": ["GetBalance"], "other.S": []})
    check_targets(layers, {"other.S": ["A"]})

    with pytest.raises(PolicyError, match="has no method GetBalance; it has PostAll"):
        check_targets(layers, {"bedplate.ledger.v1.LedgerService": ["PostAll"]})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rat": {}}, "there is no option rat; there are "),
        ({"rate": {"often": 1}}, "there is no option rate.often; there are cost, bucket, per_second, "),
        ({"rollout": {"percent": "x"}}, "rollout.percent: Couldn't parse float: x."),
        ({"rate": {"burst": 1.5}}, "rate.burst: Couldn't parse integer: 1.5."),
        ({"deadline": {"max": 10}}, "deadline.max: Duration JSON value not a string: 10."),
        ({"rollout": 3}, "rollout: 'int' object is not iterable."),
    ],
)
def test_options_that_are_none_are_told_as_they_are_written(values: dict[str, Any], said: str):
    with pytest.raises(PolicyError) as refused:
        parse_options(values, where="here")

    assert str(refused.value).startswith(f"here: {said}")
    assert "\n" not in str(refused.value)
    assert "bedplate.v1" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rate": {"per_second": 0}}, "rate.per_second: 0 sets nothing"),
        ({"rate": {"perSecond": 0.0}}, "rate.per_second: 0.0 sets nothing"),
        ({"audit": {"enabled": False}}, "audit.enabled: False sets nothing"),
        ({"auth": {"all_scopes": []}}, "auth.all_scopes: [] sets nothing"),
        ({"deadline": {"mode": "DEADLINE_MODE_UNSPECIFIED"}}, "deadline.mode: "),
        ({"rate": {}}, "rate: {} sets nothing"),
    ],
)
def test_what_would_pass_for_a_limit_and_set_nothing_is_refused(values: dict[str, Any], said: str):
    with pytest.raises(PolicyError) as refused:
        parse_options(values, where="here")

    assert str(refused.value).startswith(f"here: {said}")


def test_a_nought_that_means_something_is_taken():
    assert parse_options({"rollout": {"percent": 0}}, where="here").rollout.HasField("percent")
