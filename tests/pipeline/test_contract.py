"""Contracts that cannot be kept stop start-up, with a text that says what to write."""

import re
from itertools import count

import pytest

from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.contract.promises import Hedge
from bedplate.gateway.openapi_promises import promises
from bedplate.policy import enforced
from bedplate.policy.enforced import check_method
from tests.protos import add_file, field

_number = count(1)


def check(policy: str, *, service: str = "", fields: str = "", kind: str = "") -> MethodPolicy:
    """The policy of a method `Do` with these options, as a process checks it when it starts."""
    package = f"tests.contract{next(_number)}.v1"
    file = add_file(
        f'name: "{package}.proto" package: "{package}"\n'
        'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
        f'message_type {{ name: "Message" {fields} }}\n'
        f'service {{ name: "TestService" options {{ [bedplate.v1.service] {{ {service} }} }}\n'
        f'  method {{ name: "Do" input_type: ".{package}.Message" output_type: ".{package}.Message"\n'
        f"    {kind} options {{ [bedplate.v1.policy] {{ {policy} }} }} }} }}"
    )
    return check_method(file.services_by_name["TestService"].methods_by_name["Do"])


READ = 'auth { all_scopes: "x.read" }'
READS = "idempotency: IDEMPOTENCY_READ_ONLY"
HEDGED = "hedge { max_attempts: 3 delay { nanos: 50000000 } codes: UNAVAILABLE codes: ABORTED }"


def test_a_method_without_an_auth_policy_is_refused_with_what_to_write() -> None:
    with pytest.raises(PolicyError) as error:
        check("")

    text = str(error.value)
    assert "TestService/Do has no auth policy" in text
    assert 'auth: {all_scopes: "<noun>.read"}' in text
    assert "auth: {anonymous: true}" in text


def test_an_empty_auth_policy_is_none() -> None:
    with pytest.raises(PolicyError, match="has an empty auth policy"):
        check("auth {}")


def test_anonymous_and_scopes_exclude_each_other() -> None:
    with pytest.raises(PolicyError, match="exclude each other"):
        check('auth { anonymous: true all_scopes: "x.read" }')


def test_the_services_default_counts_where_the_method_is_silent() -> None:
    policy = check("", service=f"defaults {{ {READ} }}")

    assert policy.auth is not None
    assert policy.auth.all_scopes == {"x.read"}


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("idempotency: IDEMPOTENCY_READ_ONLY hedge { max_attempts: 2 delay { seconds: 1 } }", "hedge"),
    ],
)
@pytest.mark.parametrize("where", ["method", "service"])
def test_an_option_that_is_not_enforced_is_refused_by_name(
    option: str, path: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(enforced.ENFORCED, path)
    own, defaults = (option, "") if where == "method" else ("", f"defaults {{ {option} }}")

    with pytest.raises(PolicyError) as error:
        check(f"{READ} {own}", service=defaults)

    assert f"TestService/Do sets the option {path}, which bedplate 0.1.0 does not" in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "hedge { max_attempts: 2 delay { seconds: 1 } }",
            "only a READ_ONLY or NATURAL method can be hedged",
        ),
        (f"{READS} hedge {{ max_attempts: 1 delay {{ seconds: 1 }} }}", "hedge.max_attempts must be 2 to 5"),
        (f"{READS} hedge {{ max_attempts: 6 delay {{ seconds: 1 }} }}", "hedge.max_attempts must be 2 to 5"),
        (f"{READS} hedge {{ max_attempts: 2 }}", "hedge.delay must be above 0"),
        (f"{READS} {HEDGED} retry {{ max_attempts: 2 }}", "retry and hedge exclude each other"),
    ],
)
def test_a_hedge_that_could_do_harm_is_refused(options: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)):
        check(f"{READ} {options}")


def test_the_methods_own_hedge_goes_before_its_services_retry_and_the_other_way_round() -> None:
    hedged = check(f"{READ} {READS} {HEDGED}", service="defaults { retry { max_attempts: 2 } }")
    retried = check(f"{READ} {READS} retry {{ max_attempts: 2 }}", service=f"defaults {{ {HEDGED} }}")

    assert hedged.retry is None
    assert hedged.hedge == Hedge(0.05, 3, ("UNAVAILABLE", "ABORTED"))
    assert retried.hedge is None
    assert retried.retry is not None


def test_a_services_hedge_is_for_those_of_its_methods_that_bear_it() -> None:
    writes = check(f"{READ} idempotency: IDEMPOTENCY_REQUEST_ID", service=f"defaults {{ {HEDGED} }}")

    assert writes.hedge is None


@pytest.mark.parametrize("kind", ["client_streaming: true", "server_streaming: true"])
def test_a_method_that_streams_is_not_hedged(kind: str) -> None:
    assert check(f"{READ} {READS}", service=f"defaults {{ {HEDGED} }}", kind=kind).hedge is None
    with pytest.raises(PolicyError, match="one request and one response can be hedged"):
        check(f"{READ} {READS} {HEDGED}", kind=kind)


def test_a_field_option_that_is_not_enforced_is_refused_wherever_the_field_is() -> None:
    searchable = field("email", 1, "string", "[bedplate.v1.field] { searchable: true }")

    with pytest.raises(PolicyError, match=r"Message\.email sets the option searchable"):
        check(READ, fields=searchable)


@pytest.mark.parametrize(
    "deadline",
    ["default { seconds: 10 } max { seconds: 5 }", "default { seconds: -1 }", "max { seconds: -1 }"],
)
def test_deadlines_that_contradict_each_other_are_refused(deadline: str) -> None:
    with pytest.raises(PolicyError, match="deadline"):
        check(f"{READ} deadline {{ {deadline} }}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("limits { request_bytes: -1 }", "limits.request_bytes must be above 0"),
        ("limits { response_bytes: -1 }", "limits.response_bytes must be above 0"),
        ("criticality: 9", "9 is not a valid Criticality"),
        ("deadline { mode: 9 }", "9 is not a valid DeadlineMode"),
        ("rate { per_second: 1 burst: 1 per: 9 }", "9 is not a valid RateScope"),
    ],
)
def test_values_that_mean_nothing_are_refused_as_mistakes_of_the_contract(options: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        check(f"{READ} {options}")

    assert f"TestService/Do: {said}" in str(error.value)


@pytest.mark.parametrize("attempts", [1, 6])
def test_more_attempts_than_grpc_makes_are_refused(attempts: int) -> None:
    with pytest.raises(PolicyError, match="max_attempts must be 2 to 5"):
        check(f"{READ} idempotency: IDEMPOTENCY_NATURAL retry {{ max_attempts: {attempts} }}")


def test_all_that_is_enforced_is_accepted() -> None:
    policy = check(
        f"{READ} deadline {{ default {{ seconds: 1 }} max {{ seconds: 2 }} }} "
        "idempotency: IDEMPOTENCY_READ_ONLY retry { max_attempts: 3 } visibility: VISIBILITY_PARTNER "
        "limits { request_bytes: 100 response_bytes: 200 }",
        service='owner: "us" tier: 2 retry_budget { max_tokens: 5 }',
        fields=field("card", 1, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_CARD }"),
    )

    assert (policy.deadline_default_s, policy.deadline_max_s) == (1.0, 2.0)
    assert (policy.request_bytes, policy.response_bytes) == (100, 200)


def test_only_a_hedge_that_is_in_force_is_told_to_callers() -> None:
    reads, writes = (
        check(f"{READ} idempotency: IDEMPOTENCY_{kind}", service=f"defaults {{ {HEDGED} }}")
        for kind in ("READ_ONLY", "REQUEST_ID")
    )

    assert promises(reads)["hedge"]["max_attempts"] == 3
    assert "hedge" not in promises(writes)
