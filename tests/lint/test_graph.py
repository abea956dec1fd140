"""What becomes of one call along the graph of calls, in numbers and with its path."""

from pathlib import Path

import pytest

from bedplate.lint.check import check
from bedplate.lint.finding import Finding
from bedplate.lint.rule import Limits
from tests.lint.examples import compiled, whole

LIMITS = Limits()
SHOP = "acme.shop.v1.ShopService"


def method(name: str, policy: str, *calls: str, seconds: int = 2) -> str:
    """A method that reads; `calls` are names of others, with a count after a space."""
    edges = ""
    for call in calls:
        callee, _, count = call.partition(" ")
        full = callee if "/" in callee else f"{SHOP}/{callee}"
        edges += f'calls: {{method: "{full}" count: {count or 1}}} '
    deadline = f"deadline: {{default: {{seconds: {seconds}}} max: {{seconds: 1000}}}}"
    said = f"idempotency: IDEMPOTENCY_READ_ONLY {deadline} {policy} {edges}"
    return (
        f"rpc {name}({name}Request) returns ({name}Response) {{\n"
        f"  option (bedplate.v1.policy) = {{{said}}};\n"
        "}\n"
    )


def found(folder: Path, *methods: str, limits: Limits = LIMITS) -> list[Finding]:
    example = whole("one", "".join(methods))
    return check(compiled([example], folder)["one"], limits)


def told(findings: list[Finding], code: str) -> list[str]:
    return [
        finding.sentence.replace("acme.one.v1.ShopService", "Shop")
        for finding in findings
        if finding.code == code
    ]


THREE = "retry: {max_attempts: 3}"


def test_attempts_multiply_along_a_path_which_is_printed_whole(tmp_path):
    layers = (
        method("GetA", THREE, "GetB", seconds=900),
        method("GetB", THREE, "GetC 2", seconds=100),
        method("GetC", THREE),
    )

    findings = found(tmp_path, *layers)

    assert [finding.code for finding in findings] == ["BP204", "BP204"]
    assert told(findings, "BP204")[0].startswith(
        "Shop/GetA may become 54 calls when the last one fails: Shop/GetA x3 -> Shop/GetB x3 -> 2 times "
        "Shop/GetC x3; at most 10 are allowed"
    )
    assert "Shop/GetB may become 18 calls" in told(findings, "BP204")[1]


@pytest.mark.parametrize(("most", "codes"), [(9, []), (8, ["BP204"])])
def test_the_bound_is_the_projects_and_what_is_at_it_is_allowed(tmp_path, most, codes):
    findings = found(
        tmp_path,
        method("GetA", THREE, "GetB", seconds=100),
        method("GetB", THREE),
        limits=Limits(amplification_max=most),
    )

    assert [finding.code for finding in findings] == codes


def test_a_hedge_counts_as_attempts(tmp_path):
    hedged = method("GetB", "hedge: {delay: {nanos: 50000000} max_attempts: 5}")

    findings = found(tmp_path, method("GetA", THREE, "GetB", seconds=100), hedged)

    assert "may become 15 calls" in told(findings, "BP204")[0]


def test_the_worst_case_adds_attempts_waits_and_counts_of_all_that_is_called(tmp_path):
    waits = "retry: {max_attempts: 3 initial_backoff: {seconds: 1} max_backoff: {seconds: 9}}"

    findings = found(
        tmp_path,
        method("GetA", "", "GetB", "GetC 2", seconds=22),
        method("GetB", waits, seconds=5),
        method("GetC", "", seconds=3),
    )

    # Three attempts of 5 s and waits of 1 s and 2 s; twice 3 s.
    assert told(findings, "BP203") == [
        "Shop/GetA has 22 s, and what it calls may take 24 s: Shop/GetB (18 s) + 2 x Shop/GetC (3 s); give "
        "it a longer deadline, or them fewer attempts or a shorter one."
    ]


def test_a_worst_case_as_long_as_the_deadline_fits(tmp_path):
    assert found(tmp_path, method("GetA", "", "GetB 2", seconds=4), method("GetB", "", seconds=2)) == []


def test_a_circle_is_told_once_with_its_path(tmp_path):
    circle = (
        method("GetA", "", "GetB", seconds=9),
        method("GetB", "", "GetC", seconds=9),
        method("GetC", "", "GetA", seconds=9),
    )

    findings = found(tmp_path, *circle)

    assert [finding.code for finding in findings] == ["BP202"]
    assert "Shop/GetA -> Shop/GetB -> Shop/GetC -> Shop/GetA" in told(findings, "BP202")[0]


def test_a_method_that_calls_itself_is_a_circle(tmp_path):
    findings = found(tmp_path, method("GetA", "", "GetA", seconds=2))

    assert "Shop/GetA -> Shop/GetA" in told(findings, "BP202")[0]


def test_bedplates_own_methods_are_known_without_an_import(tmp_path):
    findings = found(tmp_path, method("GetA", "", "bedplate.rates.v1.RatesService/Convert", seconds=9))

    assert findings == []


@pytest.mark.parametrize(
    "callee",
    [
        "bedplate.rates.v1.RatesService/Konvert",
        "bedplate.nothing.v1.Service/Get",
        "bedplate.client/Get",
        "acme.other.v1.OtherService/Get",
        "acme.shop.v1.ShopService.GetB/",
    ],
)
def test_what_is_no_method_is_not_known(tmp_path, callee):
    findings = found(tmp_path, method("GetA", "", callee))

    assert [finding.code for finding in findings] == ["BP201"]
