"""Every breaking change that a page shows is found, where the arrow points, and harmless ones are not."""

import pytest

from bedplate.lint.breaking.change import CODES
from bedplate.lint.breaking.compare import compare
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Severity
from bedplate.lint.page import sections
from tests.lint.examples import Example, after, before, compiled, whole

SEEDED = [code for code in CODES if code not in ("BB001", "BB002")]

READ = "option (bedplate.v1.policy) = {idempotency: IDEMPOTENCY_READ_ONLY"
HARMLESS = {
    "a_field_is_added": """\
 message Price {
   int64 amount_minor = 1;
+  string note = 2;
 }
""",
    "a_value_a_message_and_a_method_are_added": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
   {READ}}};
 }}
+rpc GetStock(GetStockRequest) returns (GetStockResponse) {{
+  {READ}}};
+}}
 enum Side {{
   SIDE_UNSPECIFIED = 0;
+  SIDE_DEBIT = 1;
 }}
""",
    "a_deadline_is_lengthened": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} deadline: {{default: {{seconds: 2}} max: {{seconds: 10}}}}}};
+  {READ} deadline: {{default: {{seconds: 3}} max: {{seconds: 20}}}}}};
 }}
""",
    "a_scope_is_no_longer_asked_for": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} auth: {{all_scopes: ["shop.read", "price.read"]}}}};
+  {READ} auth: {{all_scopes: "shop.read"}}}};
 }}
""",
    "more_is_retried": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} retry: {{max_attempts: 2}}}};
+  {READ} retry: {{max_attempts: 4 codes: [UNAVAILABLE, RESOURCE_EXHAUSTED]}}}};
 }}
""",
    "more_is_hedged_and_earlier": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} hedge: {{delay: {{nanos: 50000000}} max_attempts: 2}}}};
+  {READ} hedge: {{delay: {{nanos: 20000000}} max_attempts: 3 codes: [UNAVAILABLE, ABORTED]}}}};
 }}
""",
    "a_hedge_takes_the_place_of_a_retry": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} retry: {{max_attempts: 3}}}};
+  {READ} hedge: {{delay: {{nanos: 50000000}} max_attempts: 3}}}};
 }}
""",
    "a_method_becomes_idempotent": """\
 rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse) {
-  option (bedplate.v1.policy) = {idempotency: IDEMPOTENCY_NONE};
+  option (bedplate.v1.policy) = {idempotency: IDEMPOTENCY_NATURAL};
 }
""",
    "limits_are_raised": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} rate: {{per_second: 5}} limits: {{request_bytes: 1024}} concurrency: {{limit: 5}}}};
+  {READ} rate: {{per_second: 9}} limits: {{request_bytes: 2048}} concurrency: {{limit: 9}}}};
 }}
""",
    "a_path_comes_first_and_the_old_one_stays": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  option (google.api.http) = {{get: "/v1/price/{{shop_id}}"}};
+  option (google.api.http) = {{
+    get: "/v1/prices/{{shop_id}}"
+    additional_bindings: {{get: "/v1/price/{{shop_id}}"}}
+  }};
   {READ} visibility: VISIBILITY_PUBLIC}};
 }}
""",
    "a_rule_of_a_field_is_loosened": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
   {READ}}};
 }}
 message GetPriceRequest {{
-  string note = 1 [(buf.validate.field).string = {{min_len: 1 max_len: 64 in: ["a", "b"]}}];
+  string note = 1 [(buf.validate.field).string = {{max_len: 128 in: ["a", "b", "c"]}}];
-  int32 count = 2 [(buf.validate.field).int32 = {{gte: 1 lte: 5}}];
+  int32 count = 2 [(buf.validate.field).int32 = {{gte: 0 lte: 50}}];
 }}
""",
    "what_was_required_may_be_left_out": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
   {READ}}};
 }}
 message GetPriceRequest {{
-  string shop_id = 1 [(google.api.field_behavior) = REQUIRED];
+  string shop_id = 1;
 }}
""",
    "comments_and_the_order_of_things_change": """\
+enum Side {
+  SIDE_UNSPECIFIED = 0;
+}
 // What something costs.
 message Price {
-  // Cents.
   int64 amount_minor = 1;
 }
-enum Side {
-  SIDE_UNSPECIFIED = 0;
-}
""",
    "a_default_of_the_service_is_said_by_the_method": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ}}};
+  {READ} deadline: {{default: {{seconds: 2}} max: {{seconds: 10}}}}}};
 }}
""",
    "a_reason_is_added_and_another_becomes_retryable": """\
 enum ShopReason {
   option (bedplate.v1.reasons) = {domain: "shop.acme"};
   SHOP_REASON_UNSPECIFIED = 0;
-  SHOP_REASON_BUSY = 1 [(bedplate.v1.reason) = {code: UNAVAILABLE help: "Wait."}];
+  SHOP_REASON_BUSY = 1 [(bedplate.v1.reason) = {code: UNAVAILABLE retryable: true help: "Wait longer."}];
+  SHOP_REASON_CLOSED = 2 [(bedplate.v1.reason) = {code: UNAVAILABLE help: "Wait."}];
 }
""",
    "a_field_of_an_answer_is_required": f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
   {READ}}};
 }}
 message GetPriceResponse {{
-  string note = 1;
+  string note = 1 [(google.api.field_behavior) = REQUIRED];
+  string text = 2 [(google.api.field_behavior) = REQUIRED];
 }}
""",
}
# Changes with more than one finding, and which those are.
SEVERAL = {
    "a_hedge_goes": (
        f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} hedge: {{delay: {{nanos: 50000000}} max_attempts: 3}}}};
+  {READ}}};
 }}
""",
        {"BB310", "BB405"},
    ),
    "a_hedge_comes_later": (
        f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} hedge: {{delay: {{nanos: 50000000}} max_attempts: 3}}}};
+  {READ} hedge: {{delay: {{nanos: 90000000}} max_attempts: 3}}}};
 }}
""",
        {"BB405"},
    ),
    "a_hedge_takes_the_place_of_a_retry_and_of_one_of_its_codes": (
        f"""\
 rpc GetPrice(GetPriceRequest) returns (GetPriceResponse) {{
-  {READ} retry: {{max_attempts: 3 codes: [UNAVAILABLE, ABORTED]}}}};
+  {READ} hedge: {{delay: {{nanos: 50000000}} max_attempts: 3}}}};
 }}
""",
        {"BB310"},
    ),
}
DIFFS = (
    {code.lower(): sections()[code].example for code in SEEDED}
    | HARMLESS
    | {name: diff for name, (diff, _) in SEVERAL.items()}
)


def change(name: str) -> tuple[Example, Example]:
    return whole(name, before(DIFFS[name])), whole(name, after(DIFFS[name]))


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Contract], dict[str, Contract]]:
    changes = [change(name) for name in DIFFS]
    folder = tmp_path_factory.mktemp("states")
    old = compiled((one for one, _ in changes), folder / "old")
    new = compiled((other for _, other in changes), folder / "new")
    return dict(old), dict(new)


@pytest.mark.parametrize("code", SEEDED)
def test_a_breaking_change_is_found_where_its_page_shows_it(code, states):
    _, new = change(code.lower())

    findings = compare(*(state[code.lower()] for state in states))

    lines = new.lines or {new.line("package ")}
    assert {(finding.code, finding.place.line) for finding in findings} == {(code, line) for line in lines}, [
        (str(finding.place), finding.code, finding.sentence) for finding in findings
    ]
    assert all(finding.place.file == f"protos/{new.file}" for finding in findings)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_breaks_nothing(name, states):
    old, new = change(name)

    findings = compare(*(state[name] for state in states))

    assert old.text != new.text
    assert [(finding.code, finding.sentence) for finding in findings] == []


@pytest.mark.parametrize("name", SEVERAL)
def test_all_that_a_change_breaks_is_found(name, states):
    assert {finding.code for finding in compare(*(state[name] for state in states))} == SEVERAL[name][1]


def test_what_did_not_change_breaks_nothing(states):
    for state in states:
        for name, contract in state.items():
            assert compare(contract, contract) == [], name


def test_there_are_at_least_twenty_five_breaking_changes_and_ten_harmless_ones():
    assert len(SEEDED) >= 25
    assert len(HARMLESS) >= 10


def test_the_code_tells_the_severity(states):
    severities = {
        code: {finding.severity for finding in compare(*(state[code.lower()] for state in states))}
        for code in ("BB108", "BB202", "BB301", "BB401")
    }

    assert severities == {
        "BB108": {Severity.WIRE},
        "BB202": {Severity.JSON},
        "BB301": {Severity.POLICY},
        "BB401": {Severity.ADVICE},
    }
