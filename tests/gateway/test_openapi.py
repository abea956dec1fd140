"""The OpenAPI document."""

from typing import Any

import orjson
import pytest
from google.rpc import error_details_pb2
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.openapi import document
from bedplate.gateway.openapi_failure import PROBLEM
from bedplate.gateway.problem import problem
from bedplate.ledger.v1 import ledger_pb2
from bedplate.pipeline.failure import Failure, make_status
from bedplate.rates.v1 import rates_pb2
from tests.gateway import library
from tests.gateway import shop as things
from tests.gateway.conformance import contract
from tests.gateway.everything import EVERYTHING, Everything
from tests.protos import add_file, field

LEDGER = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]
RATES = rates_pb2.DESCRIPTOR.services_by_name["RatesService"]


OPEN = "auth { anonymous: true }"


def method(
    name: str, rule: str, policy: str = OPEN, *, request: str = "Order", visibility: str = "PUBLIC"
) -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.openapi.v1.{request}" '
        f'output_type: ".tests.openapi.v1.Order" options {{ [google.api.http] {{ {rule} }} '
        f"[bedplate.v1.policy] {{ visibility: VISIBILITY_{visibility} {policy} }} }} }}\n"
    )


FILE = add_file(
    'name: "tests/openapi/v1/openapi.proto" package: "tests.openapi.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'dependency: "google/api/field_behavior.proto" dependency: "buf/validate/validate.proto"\n'
    'dependency: "bedplate/tests/gateway/everything.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] { domain: "openapi.tests" } }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_SOLD_OUT" number: 1 options { '
    '[bedplate.v1.reason] { code: FAILED_PRECONDITION help: "Wait." } } } }\n'
    'message_type { name: "Line"\n'
    + field("product", 1, "string", "[google.api.field_behavior]: REQUIRED")
    + field("parts", 2, ".tests.openapi.v1.Line", repeated=True)
    + field("price", 3, "int64", "[buf.validate.field] { int64 { gt: 0 lte: 5 } }")
    + "}\n"
    'message_type { name: "Order"\n'
    + field("order_id", 1, "string", "[google.api.field_behavior]: REQUIRED")
    + field("line", 2, ".tests.openapi.v1.Line", "[google.api.field_behavior]: REQUIRED")
    + field("count", 3, "int32", "[buf.validate.field] { int32 { gte: 1 lt: 10 } }")
    + field(
        "tags",
        4,
        "string",
        "[buf.validate.field] { repeated { max_items: 3 unique: true "
        "items { string { min_len: 2 pattern: '^[a-z]+$' } } } }",
        repeated=True,
    )
    + field("total", 5, "int64", "[google.api.field_behavior]: OUTPUT_ONLY")
    + field(
        "pin",
        6,
        "string",
        "[google.api.field_behavior]: INPUT_ONLY [bedplate.v1.field] { sensitive: SENSITIVE_SECRET }",
    )
    + field("everything", 7, ".bedplate.tests.gateway.Everything")
    + field("old", 8, "bool", "deprecated: true")
    + "}\n"
    'service { name: "Shop"\n'
    + method(
        "GetOrder",
        'get: "/v1/orders/{order_id}" additional_bindings { get: "/v1/lines/{line.product}:find" }',
    )
    + method("PutOrder", 'put: "/v1/orders/{order_id}" body: "*"')
    + method(
        "PatchLine", 'patch: "/v1/orders/{order_id}/lines/{line.product}" body: "line" response_body: "line"'
    )
    + method("DeleteOther", 'delete: "/v1/orders/{line.product}"')
    + method("Deep", 'get: "/v1/{order_id=shelves/*/books/**}"')
    + method("Odd", 'custom { kind: "LOCK" path: "/v1/locks" }')
    + method("Hidden", 'get: "/v1/hidden"', visibility="PARTNER")
    + method("Internal", 'get: "/v1/internal"', visibility="INTERNAL")
    + method(
        "Kept",
        'post: "/v1/kept" body: "*"',
        'auth { all_scopes: "b" all_scopes: "a" } '
        "deadline { default { seconds: 2 } max { seconds: 9 } } idempotency: IDEMPOTENCY_READ_ONLY "
        "deprecation { since: '2026-01-01' }",
        request="Line",
    )
    + "}\n"
)
METHODS = FILE.services_by_name["Shop"].methods


@pytest.fixture(scope="module")
def shop() -> dict[str, Any]:
    return document(METHODS, {})


def parameters(operation: dict[str, Any], place: str) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in operation.get("parameters", ()) if p["in"] == place}


@pytest.mark.parametrize("docs", [None, {}], ids=["with comments", "without comments"])
def test_the_documents_of_the_services_are_valid(docs):
    made = document([*LEDGER.methods, *RATES.methods], docs)

    validate(made)
    assert len(made["paths"]) == 23
    orjson.dumps(made)


def test_a_document_of_every_kind_of_rule_and_field_is_valid(shop):
    validate(shop)


def test_only_public_methods_are_in_it(shop):
    assert set(shop["paths"]) == {
        "/v1/orders/{order_id}",
        "/v1/lines/{line.product}:find",
        "/v1/orders/{order_id}/lines/{line.product}",
        "/v1/{order_id}",
        "/v1/kept",
    }
    assert "/v1/ledgers/{ledger_id}/entries:stream" not in document(LEDGER.methods)["paths"]


def test_paths_that_differ_in_names_only_are_one_path(shop):
    item = shop["paths"]["/v1/orders/{order_id}"]

    assert set(item) == {"get", "put", "delete"}
    assert list(parameters(item["delete"], "path")) == ["order_id"]


def test_operation_ids_are_unique(shop):
    ids = [operation["operationId"] for item in shop["paths"].values() for operation in item.values()]

    assert len(set(ids)) == len(ids)
    assert {"Shop_GetOrder", "Shop_GetOrder_2"} <= set(ids)


def test_what_is_in_the_path_is_nowhere_else(shop):
    get = shop["paths"]["/v1/orders/{order_id}"]["get"]
    find = shop["paths"]["/v1/lines/{line.product}:find"]["get"]
    put = shop["paths"]["/v1/orders/{order_id}"]["put"]
    patch = shop["paths"]["/v1/orders/{order_id}/lines/{line.product}"]["patch"]

    assert "orderId" not in parameters(get, "query")
    assert "line.product" in parameters(get, "query")
    assert "line.product" not in parameters(find, "query")
    assert "orderId" in parameters(find, "query")
    body = put["requestBody"]["content"]["application/json"]["schema"]
    assert "orderId" not in body["properties"]
    assert body["required"] == ["line"]
    line = patch["requestBody"]["content"]["application/json"]["schema"]
    assert list(line["properties"]) == ["parts", "price"]
    assert set(parameters(put, "query")) == {"fields", "pretty"}


def test_query_parameters_are_the_fields_that_text_can_set(shop):
    found = parameters(shop["paths"]["/v1/orders/{order_id}"]["get"], "query")

    assert found["line.product"]["required"] is True
    assert found["tags"]["schema"]["type"] == "array"
    assert found["everything.oneTimestamp"]["schema"]["format"] == "date-time"
    assert {"total", "line.parts", "everything.child.oneInt32", "everything.mapChild"}.isdisjoint(found)
    assert "everything.another_NAME" in found


def test_parameters_that_are_maps_or_json_say_how_they_are_written(shop):
    found = parameters(shop["paths"]["/v1/orders/{order_id}"]["get"], "query")

    entries = found["everything.mapStringInt32"]
    assert (entries["style"], entries["explode"]) == ("deepObject", True)
    assert entries["schema"]["additionalProperties"]["type"] == "integer"
    free = found["everything.oneStruct"]
    assert "schema" not in free
    assert free["content"]["application/json"]["schema"]["type"] == "object"
    assert "everything.manyValue" not in found


def test_a_path_variable_of_many_segments_says_their_pattern(shop):
    parameter = parameters(shop["paths"]["/v1/{order_id}"]["get"], "path")["order_id"]

    assert parameter["schema"]["pattern"] == "^shelves/[^/]+/books/.*$"


def test_rules_of_the_contract_are_in_the_schemas(shop):
    order = shop["components"]["schemas"]["tests.openapi.v1.Order"]
    line = shop["components"]["schemas"]["tests.openapi.v1.Line"]

    properties = order["properties"]
    assert order["required"] == ["orderId", "line"]
    assert properties["count"] == {
        "type": "integer",
        "format": "int32",
        "minimum": 1,
        "exclusiveMaximum": 10,
    }
    assert properties["tags"] == {
        "type": "array",
        "maxItems": 3,
        "uniqueItems": True,
        "items": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
    }
    assert properties["total"]["readOnly"] is True
    assert properties["pin"]["writeOnly"] is True
    assert properties["pin"]["x-bedplate-sensitive"] == "SECRET"
    assert properties["old"]["deprecated"] is True
    assert line["properties"]["price"]["type"] == "string"
    assert "More than 0." in line["properties"]["price"]["description"]
    assert "At most 5." in line["properties"]["price"]["description"]


def test_promises_are_in_it(shop):
    kept = shop["paths"]["/v1/kept"]["post"]

    assert kept["x-bedplate-policy"] == {
        "method": "tests.openapi.v1.Shop/Kept",
        "deadline_default_s": 2.0,
        "deadline_max_s": 9.0,
        "idempotency": "READ_ONLY",
        "criticality": "DEFAULT",
        "deprecation": {"since": "2026-01-01"},
        "request_bytes_max": 4194304,
        "response_bytes_max": 4194304,
        "all_scopes": ["a", "b"],
        "any_scopes": [],
    }
    assert kept["security"] == [{"bearer": ["a", "b"]}]
    assert kept["deprecated"] is True
    assert shop["paths"]["/v1/orders/{order_id}"]["get"]["security"] == []


def reasons_of(operation: dict[str, Any], status: str) -> set[str]:
    content = operation["responses"][status]["content"]["application/problem+json"]
    return set(content["schema"]["allOf"][1]["properties"]["reason"]["enum"])


def test_the_reasons_of_a_call_are_listed_by_status(shop):
    get = shop["paths"]["/v1/orders/{order_id}"]["get"]
    kept = shop["paths"]["/v1/kept"]["post"]
    post = document(LEDGER.methods)["paths"]["/v1/ledgers/{ledger_id}/transactions:post"]["post"]

    assert "401" not in get["responses"]
    assert "415" not in get["responses"]
    assert {"SOLD_OUT", "INVALID_REQUEST", "MALFORMED_REQUEST"} <= reasons_of(get, "400")
    assert "PAGE_TOKEN_INVALID" not in reasons_of(get, "400")
    assert reasons_of(kept, "401") == {"CREDENTIAL_MISSING", "CREDENTIAL_INVALID"}
    assert "SCOPE_MISSING" in reasons_of(kept, "403")
    assert "Wait." in kept["responses"]["400"]["description"]
    assert {"UNBALANCED_TRANSACTION", "LIMIT_EXCEEDED"} <= reasons_of(post, "400")
    assert "RATE_NOT_AVAILABLE" not in reasons_of(post, "400")


def test_reasons_that_a_comment_takes_over_from_another_method_are_listed():
    convert = document(RATES.methods)["paths"]["/v1/rates/{base}/{quote}:convert"]["get"]

    assert {"CURRENCY_UNKNOWN", "RATE_NOT_FOUND"} <= reasons_of(convert, "404")


def test_comments_of_the_contract_are_in_it():
    made = document(LEDGER.methods)

    ledger = made["components"]["schemas"]["bedplate.ledger.v1.Ledger"]
    side = made["components"]["schemas"]["bedplate.ledger.v1.Side"]
    assert ledger["description"] == "A set of accounts that balance against each other."
    assert "- `SIDE_DEBIT`: The left side." in side["description"]
    post = made["paths"]["/v1/ledgers"]["post"]
    assert post["summary"] == "Create ledger"
    assert post["description"].startswith("Creates a ledger.")


def test_a_real_answer_fits_its_schema(shop):
    message = Everything(
        one_int64=-5,
        one_uint64=7,
        one_bytes=b"\1\2",
        color=1,
        many_int32=[1],
        map_string_int64={"a": 1},
        by_bool={True: "x"},
        child=Everything(one_bool=True),
        one_timestamp={"seconds": 5},
        one_duration={"nanos": 5},
        one_field_mask={"paths": ["a_b"]},
        one_int64_value={"value": 3},
        one_empty={},
        choose_null=0,
    )
    schema = {
        "$ref": f"#/components/schemas/{EVERYTHING.full_name}",
        "components": shop["components"],
    }

    Draft202012Validator(schema).validate(encoder(EVERYTHING)(message))


def test_a_real_problem_fits_the_schema_of_problems():
    details = [
        error_details_pb2.ErrorInfo(reason="INVALID_REQUEST", domain="bedplate", metadata={"a": "b"}),
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field="a.b", description="Mend it.", reason="x")
            ]
        ),
    ]
    failure = Failure(
        make_status("INVALID_ARGUMENT", "No.", details), reason="INVALID_REQUEST", retry_after_s=1.5
    )

    body = orjson.loads(problem(failure, trace_id="0" * 32).body)

    Draft202012Validator(PROBLEM).validate(body)
    assert set(body) <= set(PROBLEM["properties"])
    assert set(body["violations"][0]) <= set(PROBLEM["properties"]["violations"]["items"]["properties"])


def test_headers_and_the_answers_that_they_lead_to_are_in_it():
    paths = document(library.SERVICE.methods)["paths"]
    book = paths["/v1/books/{book_id}"]

    def headers(operation):
        return {one["name"] for one in operation["parameters"] if one["in"] == "header"}

    assert headers(book["get"]) == {"If-None-Match"}
    assert headers(book["put"]) == headers(book["delete"]) == {"If-Match", "Prefer"}
    assert headers(paths["/v1/books"]["post"]) == {"Idempotency-Key", "If-None-Match", "Prefer"}
    assert headers(paths["/v1/notes"]["post"]) == {"Prefer"}
    assert set(book["get"]["responses"]["200"]["headers"]) == {"ETag"}
    assert "304" in book["get"]["responses"]
    assert "`ETAG_MISMATCH`" in book["put"]["responses"]["412"]["description"]
    made = paths["/v1/books"]["post"]["responses"]
    assert set(made["201"]["headers"]) == {"ETag", "Idempotent-Replayed", "Location"}
    assert made["200"]["content"] == made["201"]["content"]
    assert set(paths["/v1/books"]["get"]["responses"]["200"]["headers"]) == {"ETag", "Link"}
    assert "PRECONDITION_FAILED" not in str(paths["/v1/books:search"]["post"])


def test_a_stream_has_its_three_forms_and_where_to_go_on() -> None:
    operation = document(things.SERVICE.methods)["paths"]["/v1/stream"]["get"]

    content = operation["responses"]["200"]["content"]
    assert set(content) == {"application/x-ndjson", "text/event-stream", "application/json"}
    answer = {"$ref": "#/components/schemas/tests.shop.v1.Answer"}
    assert content["application/json"]["schema"] == {"type": "array", "items": answer}
    assert content["application/x-ndjson"]["schema"]["properties"]["result"] == answer
    assert set(parameters(operation, "header")) == {"Last-Event-ID"}
    assert "304" not in operation["responses"]


def test_raw_data_has_no_schema_and_no_views() -> None:
    paths = document(contract.service("MannersService").methods)["paths"]
    operations = [each for path in paths.values() for each in path.values()]
    raw = [each for each in operations if "*/*" in each["responses"]["200"]["content"]]

    assert raw
    assert all(not parameters(each, "query").keys() & {"fields", "pretty"} for each in raw)
    assert any("*/*" in each.get("requestBody", {}).get("content", {}) for each in operations)


def test_lenient_methods_are_asked_for_views_with_a_dollar_sign() -> None:
    paths = document(contract.service("LenientService").methods)["paths"]
    names = {name for path in paths.values() for each in path.values() for name in parameters(each, "query")}

    assert {"$fields", "$pretty"} <= names
    assert not names & {"fields", "pretty"}


def test_an_example_is_made_of_a_value_that_calls_take():
    schemas = document(LEDGER.methods)["components"]["schemas"]

    values = {name: schema["enum"] for name, schema in schemas.items() if "enum" in schema}
    assert values["bedplate.ledger.v1.Side"] == ["SIDE_DEBIT", "SIDE_CREDIT", "SIDE_UNSPECIFIED"]
    assert not any(names[0].endswith("_UNSPECIFIED") for names in values.values())


def test_what_proto2_requires_is_required():
    made = document([contract.service("EchoService").methods_by_name["PostOlder"]], {})
    body = made["paths"]["/v1/older"]["post"]["requestBody"]

    assert body["required"] is True
    assert made["components"]["schemas"]["conformance.v1.Older"]["required"] == ["id"]
