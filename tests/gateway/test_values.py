"""Every kind of field from the path, from the query and from a body of its own."""

import json
import math
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from tests.gateway.everything import EVERYTHING, Everything
from tests.gateway.plans import plan, request

FIELDS = EVERYTHING.fields_by_name

# Text of a value, and the same in JSON.
SINGLE: dict[str, list[tuple[str, Any]]] = {
    **{f"one_{kind}": [("-7", -7), ("2147483647", 2147483647)] for kind in ("int32", "sint32", "sfixed32")},
    **{f"one_{kind}": [("7", 7), ("4294967295", 4294967295)] for kind in ("uint32", "fixed32")},
    **{f"one_{kind}": [("-9223372036854775808", -(2**63))] for kind in ("int64", "sint64", "sfixed64")},
    **{f"one_{kind}": [("18446744073709551615", 2**64 - 1)] for kind in ("uint64", "fixed64")},
    "one_double": [("1.5", 1.5), ("-1e-3", -0.001), ("Infinity", "Infinity"), ("-Infinity", "-Infinity")],
    "one_float": [("0.5", 0.5), ("3", 3)],
    "one_bool": [("true", True), ("false", False)],
    "one_string": [("a b/c", "a b/c"), ("ü", "ü"), ("null", "null")],
    "one_bytes": [("-_8", "+/8="), ("+/8=", "+/8="), ("", "")],
    "color": [("COLOR_RED", 1), ("-7", -7), ("COLOR_ROSY", 1)],
    "one_timestamp": [("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:00.5Z")],
    "one_duration": [("1.5s", "1.5s"), ("-0.000000001s", "-0.000000001s")],
    "one_field_mask": [("displayName,owner.id", "displayName,owner.id"), ("", "")],
    "one_int64_value": [("7", 7), ("0", 0)],
    "one_u_int32_value": [("7", 7)],
    "one_bool_value": [("false", False)],
    "one_string_value": [("", ""), ("null", "null")],
    "one_bytes_value": [("_w", "/w==")],
    "one_double_value": [("1.5", 1.5)],
    "maybe_int32": [("0", 0)],
    "maybe_string": [("", "")],
    "maybe_color": [("COLOR_UNSPECIFIED", 0)],
    "choose_bytes": [("", "")],
    "choose_bool": [("false", False)],
    "nothing": [("NULL_VALUE", None), ("0", None)],
}
FREE: dict[str, list[tuple[str, Any]]] = {
    "one_struct": [('{"a":[1,"b",null,{"c":true}]}', {"a": [1, "b", None, {"c": True}]}), ("{}", {})],
    "one_value": [("1.5", 1.5), ('"text"', "text"), ("null", None), ("[{}]", [{}]), (" 1 ", 1)],
    "one_list_value": [("[]", []), ('[1,"a"]', [1, "a"])],
    "choose_value": [("null", None)],
}


def _cases(*tables: dict[str, list[tuple[str, Any]]]) -> list[tuple[str, str, Any]]:
    return [(name, text, value) for table in tables for name, pairs in table.items() for text, value in pairs]


@pytest.mark.parametrize(("name", "text", "value"), _cases(SINGLE, FREE))
def test_a_parameter_is_the_value_that_json_would_give_and_keeps_presence(name, text, value):
    made = plan().decode(request(query=f"{name}={quote(text, safe='')}"))

    assert made == json_format.ParseDict({name: value}, Everything())
    assert not FIELDS[name].has_presence or made.HasField(name)


@pytest.mark.parametrize(("name", "text", "value"), _cases(SINGLE))
def test_a_variable_of_the_path_is_the_same_value(name, text, value):
    made = plan(path=f"/v1/{{child.{name}=**}}").decode(request(text))

    assert made.child == json_format.ParseDict({name: value}, Everything())
    assert not FIELDS[name].has_presence or made.child.HasField(name)


def test_what_a_wrapper_holds_may_be_named_in_the_path_too():
    made = plan(path="/v1/{one_int64_value.value}").decode(request("7"))

    assert made == Everything(one_int64_value={"value": 7})


@pytest.mark.parametrize(
    "name",
    [
        *("one_struct", "one_value", "one_list_value", "one_any", "one_empty", "child", "colors"),
        *("many_int32", "map_string_int32", "children", "many_timestamp", "many_int64_value"),
        "children.color",
    ],
)
def test_what_no_path_can_hold_stops_the_start(name):
    with pytest.raises(PolicyError, match=f"the path's field {name} must be a single"):
        plan(path=f"/v1/{{{name}}}")


MASKS = {
    "display_name": ["display_name"],
    "displayName,owner.display_name": ["display_name", "owner.display_name"],
    "ownerInfo.display_name.line_1": ["owner_info.display_name.line_1"],
    "line_1,_x,a_,a__b": ["line_1", "_x", "a_", "a__b"],
}


@pytest.mark.parametrize("text", MASKS)
def test_a_mask_in_a_parameter_takes_either_name_of_a_field(text):
    assert list(plan().decode(request(query=f"one_field_mask={text}")).one_field_mask.paths) == MASKS[text]


@pytest.mark.parametrize("text", ["Display_name", "displayName_x", "a..b", "a.", ",a", "a b", "a_b.", "1"])
def test_a_mask_that_no_name_is_is_refused(text):
    with pytest.raises(Refusal):
        plan().decode(request(query=f"one_field_mask={quote(text)}"))


def test_a_mask_in_a_body_has_names_in_json():
    with pytest.raises(Refusal):
        plan("POST", body="*").decode(request(body={"oneFieldMask": "display_name"}))


def test_a_long_mask_that_is_none_is_refused_at_once():
    text = "a." * 20_000 + "!"

    with pytest.raises(Refusal):
        plan().decode(request(query=f"one_field_mask={text}"))


@pytest.mark.parametrize(("name", "text", "value"), _cases(SINGLE, FREE))
def test_a_list_takes_each_repetition_as_an_element(name, text, value):
    many = {"color": "colors"}.get(name, name.replace("one_", "many_", 1))
    if many == name:
        return
    sent = f"{many}={quote(text, safe='')}"

    made = plan().decode(request(query=f"{sent}&{sent}"))

    assert made == json_format.ParseDict({many: [value, value]}, Everything())


@pytest.mark.parametrize(
    ("query", "made"),
    [
        ("map_string_int32[a]=1&map_string_int32[b]=2", {"map_string_int32": {"a": 1, "b": 2}}),
        ("by_int64[-9223372036854775808]=a", {"by_int64": {-(2**63): "a"}}),
        ("by_bool[true]=a&by_bool[false]=b", {"by_bool": {True: "a", False: "b"}}),
        ("by_string[%C3%BC.x y]=a", {"by_string": {"ü.x y": "a"}}),
        ("byString[a]=b", {"by_string": {"a": "b"}}),
        ("child.by_uint32[7]=a", {"child": {"by_uint32": {7: "a"}}}),
        ("map_color[true]=COLOR_RED", {"map_color": {True: 1}}),
        ("map_timestamp[1]=1970-01-01T00:00:01Z", {"map_timestamp": {1: {"seconds": 1}}}),
        ("map_int64_value[1]=7", {"map_int64_value": {1: {"value": 7}}}),
        ("map_string_bytes[a]=_w", {"map_string_bytes": {"a": b"\xff"}}),
        ("secret_map[a]=1", {"secret_map": {"a": 1}}),
    ],
)
def test_entries_of_a_map_come_one_by_one(query, made):
    assert plan().decode(request(query=query)) == Everything(**made)


def test_an_entry_of_free_values_is_json():
    made = plan().decode(request(query="map_value[1]=%5B1%5D&map_struct[2]=%7B%7D"))

    assert json_format.MessageToDict(made) == {"mapValue": {"1": [1.0]}, "mapStruct": {"2": {}}}


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("by_int32[x]=a", 'by_int32["x"]', "json.type"),
        ("by_int32[01]=a", 'by_int32["01"]', "json.type"),
        ("by_int32[]=a", 'by_int32[""]', "json.type"),
        ("by_bool[1]=a", 'by_bool["1"]', "json.type"),
        ("map_string_int32[a]=x", 'map_string_int32["a"]', "json.type"),
        ("child.map_color[true]=RED", 'child.map_color["true"]', "json.enum"),
        ("secret_map[mine]=x", "secret_map[*]", "json.type"),
        ("map_child[a]=x", "map_child", "http.parameter"),
        ("map_any[1]=x", "map_any", "http.parameter"),
        ("map_string_int32=1", "map_string_int32", "http.parameter"),
        ("map_string_int32[a]=1&mapStringInt32[a]=1", "map_string_int32", "http.twice"),
        ("one_value=text", "one_value", "json.type"),
        ("one_value=", "one_value", "json.type"),
        ("one_value=1 2", "one_value", "json.type"),
        ('one_value={"a":1,"a":2}', "one_value.a", "json.twice"),
        ("one_struct=[]", "one_struct", "json.type"),
        ("one_struct=null", "one_struct", "json.type"),
        ("one_list_value={}", "one_list_value", "json.type"),
        ("one_value=" + "[" * 20 + "]" * 20, "one_value", "json.depth"),
        ("one_value=" + "[" * 5000 + "]" * 5000, "one_value", "json.type"),
        ("one_any=x", "one_any", "http.parameter"),
        ("one_empty=", "one_empty", "http.parameter"),
        ("one_struct.a=1", "one_struct", "http.parameter"),
        ("another_NAME=a&named_otherwise=b", "named_otherwise", "http.twice"),
        ("choose_bool=true&choose_bool=true", "choose_bool", "http.twice"),
        ("choose_bool=true&choose_child.one_bool=true", "choose_child.one_bool", "http.oneof"),
        ("choose_child.one_bool=true&choose_int64=1", "choose_int64", "http.oneof"),
        ("one_int64=" + "9" * 9000, "one_int64", "json.range"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_entry_or_element_named(query, field, rule):
    with pytest.raises(Refusal) as caught:
        plan().decode(request(query=query))

    (violation,) = caught.value.violations
    assert (caught.value.reason, violation.field, violation.rule) == ("INVALID_REQUEST", field, rule)
    assert "mine" not in violation.sentence


def test_both_members_of_a_oneof_are_named_wherever_they_come_from():
    for made, sent in [
        (plan(path="/{choose_bool}"), request("true", query="choose_int64=1")),
        (plan("POST", "/{choose_bool}", "choose_child"), request("true", body={"one_bool": True})),
        (plan("POST", "/v1", "choose_child"), request(query="choose_bool=true", body={})),
    ]:
        with pytest.raises(Refusal) as caught:
            made.decode(sent)
        (violation,) = caught.value.violations
        assert violation.rule == "http.oneof"
        assert "choose_bool" in violation.sentence
        assert "choose_child" in violation.sentence or "choose_int64" in violation.sentence


BODIES: list[tuple[str, Any]] = [
    *((name, value) for name, pairs in (SINGLE | FREE).items() for _, value in pairs),
    ("many_int32", [1, 2]),
    ("many_timestamp", ["1970-01-01T00:00:01Z"]),
    ("children", [{"one_int32": 1}, {}]),
    ("map_string_int32", {"a": 1}),
    ("by_int64", {"7": "a"}),
    ("map_child", {"a": {"one_int32": 1}}),
    ("one_any", {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}),
    ("one_empty", {}),
    ("child", {"child": {"one_int32": 1}}),
    ("many_value", [None, 1]),
]


@pytest.mark.parametrize(("name", "value"), BODIES)
def test_any_field_can_be_the_body_and_the_answer(name, value):
    expected = json_format.ParseDict({name: value}, Everything())
    both = plan("POST", "/v1", name, name)

    assert both.decode(request(body=json.dumps(value).encode())) == expected
    assert both.decode(request(body=both.encode(expected))) == expected


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if not name.startswith("choose")])
def test_a_body_of_null_or_of_nothing_leaves_its_field_unset(name):
    whole = plan("POST", "/v1", name)
    null_is_a_value = FIELDS[name].message_type is not None and FIELDS[name].message_type.name == "Value"

    assert whole.decode(request(content_type="")) == Everything()
    if not (null_is_a_value and not FIELDS[name].is_repeated):
        assert whole.decode(request(body=b"null")) == Everything()


def test_not_a_number_is_read_from_everywhere():
    assert math.isnan(plan().decode(request(query="one_double=NaN")).one_double)
    assert math.isnan(plan(path="/{one_double}").decode(request("NaN")).one_double)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_survives_a_query(text):
    sent = quote(text, safe="")

    made = plan().decode(request(query=f"one_string={sent}&many_string={sent}&by_string[k]={sent}"))

    assert (made.one_string, made.many_string[0], made.by_string["k"]) == (text, text, text)
