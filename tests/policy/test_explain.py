"""What `why` knows of a policy: every option, its source, and whether anybody keeps it."""

from collections.abc import Iterable

import pytest

from bedplate.policy.enforced import ENFORCED
from bedplate.policy.explain import Line, explain, keeper
from bedplate.v1 import policy_pb2
from tests.protos import add_file

FILE = add_file(
    'name: "tests/explain/v1/explain.proto" package: "tests.explain.v1"\n'
    'dependency: "bedplate/v1/policy.proto"\n'
    'message_type { name: "AskRequest" }\nmessage_type { name: "AskResponse" }\n'
    'service { name: "ExplainService" options { [bedplate.v1.service] { defaults {\n'
    '  retry { max_attempts: 3 } deadline { default { seconds: 40 } } auth { all_scopes: "a.read" } } } }\n'
    + "".join(
        f'method {{ name: "{name}" input_type: ".tests.explain.v1.AskRequest" '
        f'output_type: ".tests.explain.v1.AskResponse" options {{ [bedplate.v1.policy] {{ {policy} }} }} }}\n'
        for name, policy in {
            "Read": "idempotency: IDEMPOTENCY_READ_ONLY",
            "Write": 'auth { any_scopes: "a.write" any_scopes: "a.admin" }',
            "Wish": "idempotency: IDEMPOTENCY_NATURAL hedge { max_attempts: 2 delay { nanos: 50000000 } }",
            "Open": "auth { anonymous: true } deadline { default { nanos: 250000000 } max { seconds: 2 } }",
        }.items()
    )
    + "}\n"
)
METHODS = FILE.services_by_name["ExplainService"].methods_by_name


def lines(method: str) -> dict[str, Line]:
    return {line.option: line for line in explain(METHODS[method])}


def told(found: dict[str, Line], options: Iterable[str]) -> list[tuple[str, str, bool]]:
    return [(found[option].value, found[option].source, found[option].enforced) for option in options]


def test_a_value_comes_from_the_method_the_service_or_bedplate():
    assert told(lines("Read"), ["idempotency", "auth.all_scopes", "visibility"]) == [
        ("READ_ONLY", "method", True),
        ("a.read", "service", True),
        ("INTERNAL", "default", True),
    ]


def test_a_methods_option_replaces_the_services_whole_option():
    found = lines("Write")

    assert told(found, ["auth.any_scopes"]) == [("a.write, a.admin", "method", True)]
    assert "auth.all_scopes" not in found


def test_a_longest_deadline_that_nobody_set_is_no_shorter_than_the_default_one():
    assert told(lines("Read"), ["deadline.default", "deadline.max"]) == [
        ("40 s", "service", True),
        ("40 s", "default", True),
    ]


def test_parts_of_seconds_are_shown():
    assert told(lines("Open"), ["deadline.default", "deadline.max"]) == [
        ("0.25 s", "method", True),
        ("2 s", "method", True),
    ]


def test_what_a_retry_leaves_out_is_shown_where_retries_are_in_force():
    assert told(lines("Read"), ["retry.max_attempts", "retry.codes"]) == [
        ("3", "service", True),
        ("UNAVAILABLE", "default", True),
    ]


def test_a_retry_that_idempotency_forbids_is_shown_as_not_in_force():
    found = lines("Write")

    assert "not in force" in found["retry.max_attempts"].note
    assert "retry.codes" not in found


def test_a_hedge_of_the_methods_own_is_in_force_and_its_services_retry_is_not():
    found = lines("Wish")

    assert told(found, ["hedge.max_attempts", "hedge.delay", "hedge.codes"]) == [
        ("2", "method", True),
        ("0.05 s", "method", True),
        ("UNAVAILABLE", "default", True),
    ]
    assert found["retry.max_attempts"].note == "not in force: the method is hedged"
    assert "retry.codes" not in found


def test_options_that_nobody_keeps_are_shown_as_such(monkeypatch):
    monkeypatch.delitem(ENFORCED, "hedge")
    found = lines("Wish")

    assert told(found, ["idempotency", "hedge.max_attempts", "hedge.delay"]) == [
        ("NATURAL", "method", True),
        ("2", "method", False),
        ("0.05 s", "method", False),
    ]
    assert {found[option].keeper for option in ("hedge.max_attempts", "hedge.delay")} == {""}


@pytest.mark.parametrize("method", METHODS)
def test_every_option_is_told_of_in_the_contracts_order(method):
    order = [line.option.partition(".")[0] for line in explain(METHODS[method])]

    assert list(dict.fromkeys(order)) == [field.name for field in policy_pb2.MethodPolicy.DESCRIPTOR.fields]


@pytest.mark.parametrize("path", ENFORCED)
def test_what_is_enforced_has_a_keeper(path):
    assert keeper(path) == ENFORCED[path]
    assert keeper(path.partition(".")[0])
