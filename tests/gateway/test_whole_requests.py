"""Requests of a type that JSON writes without a message around it: a text, a time, any object."""

import json
from typing import Any

import pytest
from google.protobuf import (
    any_pb2,
    duration_pb2,
    field_mask_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from bedplate.gateway.routes import parse
from bedplate.gateway.transcode import Plan
from tests.gateway.plans import method_of, request

WHOLE: list[tuple[type, Any]] = [
    (wrappers_pb2.StringValue, "x"),
    (wrappers_pb2.Int64Value, "-7"),
    (wrappers_pb2.UInt32Value, 7),
    (wrappers_pb2.BoolValue, False),
    (wrappers_pb2.DoubleValue, "NaN"),
    (wrappers_pb2.BytesValue, "AQI="),
    (timestamp_pb2.Timestamp, "2026-11-22T10:00:00.5Z"),
    (duration_pb2.Duration, "-1.5s"),
    (field_mask_pb2.FieldMask, "displayName,owner.id"),
    (struct_pb2.Struct, {"a": [1, {"b": None}], "fields": "x"}),
    (struct_pb2.Struct, {}),
    (struct_pb2.ListValue, [1, [], "x"]),
    (struct_pb2.Value, None),
    (struct_pb2.Value, {"a": {}}),
    (struct_pb2.Value, [True]),
    (struct_pb2.Value, ""),
    (any_pb2.Any, {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}),
    (any_pb2.Any, {}),
]
IDS = [f"{kind.__name__} {value!r}" for kind, value in WHOLE]


def whole_plan(kind: Any, path: str = "/v1") -> Plan:
    return Plan(
        method_of(kind.DESCRIPTOR, kind.DESCRIPTOR).descriptor, Binding("POST", path, "*", ""), parse(path)
    )


@pytest.mark.parametrize(("kind", "value"), WHOLE, ids=IDS)
def test_a_request_that_is_one_json_value_is_its_body(kind, value):
    plan = whole_plan(kind)

    made = plan.decode(request(body=json.dumps(value).encode()))

    told = json_format.Parse(json.dumps(value), kind())
    assert str(made) == str(told)
    assert json.loads(plan.encode(made)) == json.loads(json_format.MessageToJson(told))


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in WHOLE}, key=str))
def test_a_request_that_is_one_json_value_has_nothing_in_its_path(kind):
    name = next((f.name for f in kind.DESCRIPTOR.fields if f.message_type is None), None)
    if name is None or kind.DESCRIPTOR.fields_by_name[name].is_repeated:
        return

    with pytest.raises(PolicyError, match="is one JSON value, all of it the body"):
        whole_plan(kind, f"/v1/{{{name}}}")


@pytest.mark.parametrize("kind", [wrappers_pb2.StringValue, timestamp_pb2.Timestamp, struct_pb2.Struct])
@pytest.mark.parametrize("body", [b"null", b"[]", b"7"])
def test_a_value_of_another_type_is_told_of_the_request(kind, body):
    with pytest.raises(Refusal) as caught:
        whole_plan(kind).decode(request(body=body))

    assert [violation.field for violation in caught.value.violations] == [""]
