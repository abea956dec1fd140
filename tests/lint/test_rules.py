"""Every rule finds what its page shows as wrong, where the arrow points, and nothing in what is right."""

from pathlib import Path

import pytest

from bedplate.lint.breaking.change import CODES
from bedplate.lint.check import check
from bedplate.lint.contract import Contract
from bedplate.lint.page import document, sections
from bedplate.lint.rule import RULES, Limits
from bedplate.policy.enforced import ENFORCED
from tests.lint.examples import Example, after, before, compiled, whole

ROOT = Path(__file__).parents[2]
LIMITS = Limits(today="2026-11-22")


def examples(code: str) -> tuple[Example, Example]:
    """What is wrong and what is right, of a code."""
    diff = sections()[code].example
    comments = code != "BP501"
    return (
        whole(f"{code.lower()}_wrong", before(diff), comments=comments),
        whole(f"{code.lower()}_right", after(diff)),
    )


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contract]:
    every = [example for code in RULES for example in examples(code)]
    return dict(compiled(every, tmp_path_factory.mktemp("rules")))


@pytest.mark.parametrize("code", RULES)
def test_a_rule_finds_what_its_page_shows_where_the_arrow_points(code, contracts):
    wrong, _ = examples(code)

    findings = check(contracts[wrong.name], LIMITS)

    if code == "BP501":  # the other parts of that file have no comment either
        findings = [finding for finding in findings if finding.place.line in wrong.lines]
    assert wrong.lines
    assert {(finding.code, finding.place.line) for finding in findings} == {
        (code, line) for line in wrong.lines
    }, [(str(finding.place), finding.code, finding.sentence) for finding in findings]
    assert all(finding.place.file == f"protos/{wrong.file}" for finding in findings)


@pytest.mark.parametrize("code", RULES)
def test_nothing_is_found_in_what_its_page_shows_as_right(code, contracts):
    _, right = examples(code)

    findings = check(contracts[right.name], LIMITS)

    assert [(finding.code, finding.sentence) for finding in findings] == []


def test_there_are_at_least_thirty_rules():
    assert len(RULES) >= 30


def test_every_code_has_its_section_and_every_section_is_of_a_code():
    assert set(sections()) == {*RULES, *CODES, "BP001"}


@pytest.mark.parametrize("code", sections())
def test_every_section_says_its_rule_first(code):
    section = sections()[code]

    assert section.text.startswith("**"), section.text[:80]
    assert section.title.endswith(".")


def test_the_documentation_holds_all_sections():
    assert (ROOT / "docs" / "rules.md").read_text() == document(), (
        "run: python -m bedplate.lint.page > docs/rules.md"
    )


def found(folder: Path, fragment: str) -> list[str]:
    return [finding.code for finding in check(compiled([whole("one", fragment)], folder)["one"], LIMITS)]


def test_messages_that_hold_themselves_many_times_are_gone_through_once(tmp_path):
    branches = "".join(f"  Tree branch{number} = {number};\n" for number in range(1, 21))
    fragment = f"""\
rpc GetTree(GetTreeRequest) returns (GetTreeResponse) {{
  option (google.api.http) = {{get: "/v1/trees/{{shop_id}}"}};
  option (bedplate.v1.policy) = {{
    idempotency: IDEMPOTENCY_READ_ONLY
    cache: {{scope: CACHE_SCOPE_PUBLIC ttl: {{seconds: 1}}}}
    visibility: VISIBILITY_PUBLIC
  }};
}}
message Tree {{
{branches}}}
message GetTreeRequest {{
  string shop_id = 1 [(google.api.field_behavior) = REQUIRED];
  Tree tree = 2;
}}
message GetTreeResponse {{
  Tree tree = 1;
}}
"""

    assert found(tmp_path, fragment) == []


def test_a_name_that_only_begins_like_list_is_no_list(tmp_path):
    fragment = """\
rpc ListenToPrices(ListenToPricesRequest) returns (ListenToPricesResponse) {
  option (bedplate.v1.policy) = {idempotency: IDEMPOTENCY_READ_ONLY};
}
message ListenToPricesRequest {
  string shop_id = 1;
}
message ListenToPricesResponse {
  string text = 1;
}
"""

    assert found(tmp_path, fragment) == []


def test_a_cache_by_default_is_for_what_reads(tmp_path):
    fragment = """\
service ShopService {
  option (bedplate.v1.service) = {
    owner: "shop"
    defaults: {
      auth: {all_scopes: "shop.write"}
      cache: {scope: CACHE_SCOPE_TENANT ttl: {seconds: 5}}
    }
  };
  rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse) {
    option (bedplate.v1.policy) = {
      idempotency: IDEMPOTENCY_NATURAL
      auth: {
        all_scopes: "shop.write"
        relation: {field: "shop_id" object_type: "shop" relation: "buyer"}
      }
    };
  }
}
"""

    assert found(tmp_path, fragment) == []


def test_an_option_that_this_version_does_not_keep_is_told_before_a_server_refuses_it(tmp_path, monkeypatch):
    monkeypatch.delitem(ENFORCED, "slo")
    fragment = """\
rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {
  option (bedplate.v1.policy) = {idempotency: IDEMPOTENCY_READ_ONLY slo: {availability: 0.99}};
}
"""

    assert found(tmp_path, fragment) == ["BP105"]


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        ("hedge: {delay: {seconds: 1} max_attempts: 3}", ["BP115"]),
        ("hedge: {delay: {nanos: 900000000} max_attempts: 3}", []),
        ("hedge: {delay: {nanos: 1000000} max_attempts: 3 codes: [UNAVAILABLE, NOT_FOUND]}", ["BP114"]),
        ("hedge: {delay: {nanos: 1000000} max_attempts: 3} retry: {max_attempts: 2}", ["BP105"]),
        ("hedge: {max_attempts: 3}", ["BP105"]),
    ],
)
def test_a_hedge_is_held_to_the_rules_of_retries(policy, codes, tmp_path):
    fragment = f"""\
rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
  option (bedplate.v1.policy) = {{idempotency: IDEMPOTENCY_READ_ONLY {policy}}};
}}
"""

    assert found(tmp_path, fragment) == codes
