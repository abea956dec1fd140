"""What the JSON reader accepts and refuses, where, and in which words."""

import json

import pytest
from google.protobuf import json_format, struct_pb2

from bedplate.errors import Refusal
from bedplate.gateway.codec.decode import decode_message
from bedplate.gateway.codec.text import MASK_PATHS_MAX, VIOLATIONS_MAX
from tests.gateway.everything import Everything
from tests.gateway.plans import plan, request
from tests.gateway.refusals import refused

# field, JSON value, what the message then holds
ACCEPTED = [
    ("oneInt32", "7", 7),
    ("one_int32", "7", 7),
    ("oneInt32", '"7"', 7),
    ("oneInt32", "1.0", 1),
    ("oneInt32", "1e2", 100),
    ("oneInt32", '"1e2"', 100),
    ("oneInt32", '"-0"', 0),
    ("oneInt32", "-2147483648", -(2**31)),
    ("oneUint32", "4294967295.0", 2**32 - 1),
    ("oneInt64", '"9223372036854775807"', 2**63 - 1),
    ("oneInt64", "9223372036854775807", 2**63 - 1),
    ("oneInt64", '"-9223372036854775808"', -(2**63)),
    ("oneUint64", '"18446744073709551615"', 2**64 - 1),
    ("oneUint64", '"1.8446744073709551615e19"', 2**64 - 1),
    ("oneInt64", "9007199254740991.0", 2**53 - 1),
    ("oneDouble", "3", 3.0),
    ("oneDouble", '"1.5"', 1.5),
    ("oneDouble", '"Infinity"', float("inf")),
    ("oneFloat", "3.4028235e38", 3.4028234663852886e38),
    ("oneBool", "true", True),
    ("oneString", r'"\ud83d\ude00\u0000"', "😀\0"),
    ("oneBytes", '"-_8"', b"\xfb\xff"),
    ("oneBytes", '"+/8="', b"\xfb\xff"),
    ("color", '"COLOR_ROSY"', 1),
    ("color", "-7", -7),
    ("color", "1.0", 1),
    ("another_NAME", '"x"', "x"),
    ("mapStringInt32", '{"a": 1, "": 2}', {"a": 1, "": 2}),
    ("byBool", '{"true": "a", "false": "b"}', {True: "a", False: "b"}),
    ("byInt64", '{"-5": "a"}', {-5: "a"}),
]


@pytest.mark.parametrize(("name", "text", "held"), ACCEPTED)
def test_every_spelling_of_the_mapping_is_read(name, text, held):
    message = decode_message(f'{{"{name}": {text}}}'.encode(), Everything)

    ((_, value),) = message.ListFields() or [(None, 0)]
    assert (dict(value) if isinstance(held, dict) else value) == held


# field, JSON value, path of the violation, a part of its sentence
UNFIT = [
    ("oneInt32", "2147483648", "one_int32", "from -2147483648 to 2147483647"),
    ("oneInt32", "1.5", "one_int32", "without a fraction"),
    ("oneInt32", '"1.5"', "one_int32", "without a fraction"),
    ("oneInt32", "true", "one_int32", "a whole number, not a boolean"),
    ("oneInt32", '""', "one_int32", "whole number"),
    ("oneInt32", '" 7"', "one_int32", "whole number"),
    ("oneInt32", '"+7"', "one_int32", "whole number"),
    ("oneInt32", '"07"', "one_int32", "whole number"),
    ("oneInt32", '"0x7"', "one_int32", "whole number"),
    ("oneInt32", '"1_000"', "one_int32", "whole number"),
    ("oneInt32", '"٣"', "one_int32", "whole number"),
    ("oneInt32", '"²"', "one_int32", "whole number"),
    ("oneInt32", '"NaN"', "one_int32", "whole number"),
    ("oneInt64", '"1e999999999"', "one_int64", "from -9223372036854775808"),
    ("oneInt64", '"1e99999999999999999999"', "one_int64", "from -9223372036854775808"),
    ("oneInt64", '"0e-99999999999999999999"', "one_int64", "from -9223372036854775808"),
    ("oneInt64", '"9223372036854775808"', "one_int64", "to 9223372036854775807"),
    ("oneInt64", "9223372036854775808", "one_int64", "to 9223372036854775807"),
    ("oneInt64", "-9223372036854775809", "one_int64", "from -9223372036854775808"),
    ("oneInt64", "9007199254740993.0", "one_int64", "plain digits"),
    ("oneInt64", "1e300", "one_int64", "plain digits"),
    ("oneUint64", "18446744073709551616", "one_uint64", "to 18446744073709551615"),
    ("oneUint64", "-1", "one_uint64", "from 0"),
    ("oneInt64", "9" * 300, "one_int64", "plain digits"),
    ("oneInt64", f'"{"9" * 5000}"', "one_int64", "to 9223372036854775807"),
    ("oneDouble", '"1e400"', "one_double", "64 bits"),
    ("oneDouble", '"nan"', "one_double", "NaN"),
    ("oneDouble", '"inf"', "one_double", "NaN"),
    ("oneDouble", '"1_0"', "one_double", "a number"),
    ("oneDouble", '""', "one_double", "a number"),
    ("oneFloat", "3.5e38", "one_float", "32 bits"),
    ("oneFloat", "-3.5e38", "one_float", "32 bits"),
    ("oneBool", '"true"', "one_bool", "true or false, not a string"),
    ("oneBool", "1", "one_bool", "true or false, not a number"),
    ("oneString", "1", "one_string", "a string, not a number"),
    ("oneString", "{}", "one_string", "a string, not an object"),
    ("oneBytes", '"a"', "one_bytes", "base64"),
    ("oneBytes", '"YQ="', "one_bytes", "base64"),
    ("oneBytes", '"YR=="', "one_bytes", "base64"),
    ("oneBytes", '"YQ==YQ=="', "one_bytes", "base64"),
    ("oneBytes", '"Y Q="', "one_bytes", "base64"),
    ("oneBytes", '"-+8="', "one_bytes", "base64"),
    ("oneBytes", '"===="', "one_bytes", "base64"),
    ("oneBytes", "[1]", "one_bytes", "base64, not a list"),
    ("color", '"COLOR_RED "', "color", "did you mean COLOR_RED?"),
    ("color", '"color_dark"', "color", "did you mean COLOR_DARK?"),
    ("color", '"rozy"', "color", "did you mean COLOR_ROSY?"),
    ("color", '"Nonsense"', "color", "send one of COLOR_RED, COLOR_ROSY, COLOR_DARK"),
    ("color", "2", "color", "There is no such value"),
    ("color", '"1"', "color", "There is no such value"),
    ("color", "true", "color", "enum value, not a boolean"),
    ("manyInt32", "1", "many_int32", "a list, not a number"),
    ("manyInt32", "[1, null]", "many_int32[1]", "not null"),
    ("manyString", '["a", 1]', "many_string[1]", "a string, not a number"),
    ("children", "[{}, null]", "children[1]", "an object, not null"),
    ("children", '[{"children": [{"oneBool": 0}]}]', "children[0].children[0].one_bool", "true or false"),
    ("mapStringInt32", "[]", "map_string_int32", "an object, not a list"),
    ("mapStringInt32", '{"k": null}', 'map_string_int32["k"]', "not null"),
    ("mapStringInt32", '{"k": "x"}', 'map_string_int32["k"]', "whole number"),
    ("byInt32", '{"01": "a"}', 'by_int32["01"]', "decimal digits"),
    ("byInt32", '{"-0": "a"}', 'by_int32["-0"]', "decimal digits"),
    ("byBool", '{"True": "a"}', 'by_bool["True"]', "true or false"),
    ("mapChild", '{"a": {"oneBool": 3}}', 'map_child["a"].one_bool', "true or false"),
    ("child", "[]", "child", "an object, not a list"),
    ("oneInt32Value", '"x"', "one_int32_value", "whole number"),
    ("oneTimestamp", "0", "one_timestamp", "a time as a string, not a number"),
    ("oneTimestamp", '"2026-01-01"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01t00:00:00z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00.1234567890Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-02-30T00:00:00Z"', "one_timestamp", "calendar"),
    ("oneTimestamp", '"20260101T0000:00:00Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01 00:00:00Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00.Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00.٣Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00xZ"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-W01-1T00:00:00Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '""', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T24:00:00Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:60Z"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"2026-01-01T00:00:00+24:00"', "one_timestamp", "RFC 3339"),
    ("oneTimestamp", '"0000-01-01T00:00:00Z"', "one_timestamp", "calendar"),
    ("oneTimestamp", '"0001-01-01T00:00:00+00:01"', "one_timestamp", "0001"),
    ("oneTimestamp", '"9999-12-31T23:59:59-00:01"', "one_timestamp", "9999"),
    ("oneDuration", '"1"', "one_duration", "in seconds"),
    ("oneDuration", '"1.s"', "one_duration", "in seconds"),
    ("oneDuration", '"+1s"', "one_duration", "in seconds"),
    ("oneDuration", '"1h"', "one_duration", "in seconds"),
    ("oneDuration", '"315576000001s"', "one_duration", "at most"),
    ("oneDuration", '"-315576000001s"', "one_duration", "at most"),
    ("oneDuration", '"01s"', "one_duration", "in seconds"),
    ("oneFieldMask", '"a_b"', "one_field_mask", "lowerCamelCase"),
    ("oneFieldMask", '"a,,b"', "one_field_mask", "lowerCamelCase"),
    ("oneFieldMask", f'"{"a," * MASK_PATHS_MAX}a"', "one_field_mask", "at most"),
    ("oneFieldMask", '["a"]', "one_field_mask", "as a string"),
    ("oneStruct", "[]", "one_struct", "an object"),
    ("oneListValue", "{}", "one_list_value", "a list"),
    ("oneEmpty", '{"a": 1}', "one_empty.a", "leave it out"),
    ("oneAny", '{"a": 1}', "one_any.@type", "Name the type"),
    ("oneAny", '{"@type": 1}', "one_any.@type", "Name the type"),
    ("oneAny", '{"@type": "x/no.Such"}', "one_any.@type", "no such type"),
    ("oneAny", '{"@type": "google.protobuf.Empty"}', "one_any.@type", "slash"),
    ("oneAny", '{"@type": "a/google.protobuf.Duration"}', "one_any.value", "as value"),
    ("oneAny", '{"@type": "a/google.protobuf.Duration", "value": "1"}', "one_any.value", "in seconds"),
    ("oneAny", '{"@type": "a/google.protobuf.Duration", "value": "1s", "x": 1}', "one_any.value", "beside"),
    ("oneAny", '{"@type": "a/bedplate.tests.gateway.Plain", "tex": 1}', "one_any.tex", "did you mean text?"),
    ("oneStrin", '"x"', "oneStrin", "did you mean oneString?"),
    ("[some.extension]", "1", "[some.extension]", "no such field"),
    ("@type", '"x"', "@type", "no such field"),
]


@pytest.mark.parametrize(("name", "text", "path", "words"), UNFIT)
def test_what_does_not_fit_its_field_is_refused_with_its_path_and_the_way_to_mend_it(name, text, path, words):
    refusal = refused(f'{{"{name}": {text}}}')

    assert refusal.reason == "INVALID_REQUEST"
    (violation,) = refusal.violations
    assert violation.field == path
    assert words in violation.sentence
    assert violation.rule.startswith("json.")


# Each is read by json_format, and means something other than it says, or depends on the reader.
LAX = [
    '{"oneString": "a", "oneString": "b"}',
    '{"oneString": "a", "one_string": "b"}',
    '{"oneInt64": 9007199254740993.0}',
    '{"oneInt32": "٣"}',
    '{"oneInt32": "1_000"}',
    '{"oneInt32": "007"}',
    '{"oneDouble": "1_0.5"}',
    '{"oneDouble": " 1 "}',
    '{"color": 99}',
    '{"color": "1"}',
    '{"oneBytes": "Y!Q=="}',
    '{"oneBytes": "YR=="}',
    '{"byInt32": {"1": "a", "01": "b"}}',
    '{"oneTimestamp": "2026-1-1T0:0:0Z"}',
    '{"oneTimestamp": "2026-01-01T00:00:00+1:0"}',
    '{"oneDuration": "1_0s"}',
    '{"oneDuration": "+1s"}',
    '{"chooseNull": null, "chooseString": "a"}',
]


@pytest.mark.parametrize("body", LAX)
def test_what_json_format_lets_pass_is_refused(body):
    theirs = json.loads(body)  # json_format's own check of duplicate keys is not on this path
    json_format.ParseDict(theirs, Everything())

    assert refused(body).reason == "INVALID_REQUEST"


def test_null_leaves_a_field_unset_except_where_null_is_a_value():
    unset = ["oneInt32", "child", "manyInt32", "mapStringInt32", "oneTimestamp", "oneInt32Value", "color"]
    body = json.dumps(
        {
            **dict.fromkeys([*unset, "chooseInt64", "maybeInt32"]),
            "chooseString": "a",
            "oneValue": None,
            "manyValue": [None],
            "mapValue": {"1": None},
            "oneStruct": {"a": None},
        }
    )

    message = decode_message(body.encode(), Everything)

    null = struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    assert message == Everything(
        choose_string="a",
        one_value=null,
        many_value=[null],
        map_value={1: null},
        one_struct=struct_pb2.Struct(fields={"a": null}),
    )
    assert not message.HasField("maybe_int32")


def test_null_of_a_null_value_field_sets_it():
    assert decode_message(b'{"chooseNull": null}', Everything).WhichOneof("choice") == "choose_null"


def test_an_optional_field_keeps_a_default_that_was_sent():
    assert decode_message(b'{"maybeInt32": 0}', Everything).HasField("maybe_int32")


def test_all_violations_are_named_up_to_a_limit():
    refusal = refused('{"oneInt32": "x", "childd": 1, "children": [{"oneBool": 1}, {"color": "RED"}]}')

    assert [v.field for v in refusal.violations] == [
        "one_int32",
        "childd",
        "children[0].one_bool",
        "children[1].color",
    ]
    assert "(and 3 more)" in refusal.sentence
    many = refused(json.dumps({"manyInt32": ["x"] * 5000, "manyBool": ["x"] * 5000}))
    assert len(many.violations) == VIOLATIONS_MAX
    unknown = refused(json.dumps({f"field{n}": n for n in range(5000)}))
    assert len(unknown.violations) == VIOLATIONS_MAX


def test_a_sensitive_value_is_never_repeated():
    secret = "COLOR_REDD"
    body = {
        "secret": 1,
        "secretColor": secret,
        "secretChild": {
            secret: 1,
            "color": secret,
            "mapStringInt32": {secret: "x"},
            "oneAny": {"@type": secret},
        },
        "secretMap": {secret: "x"},
    }

    refusal = refused(json.dumps(body))

    assert {v.field for v in refusal.violations} == {
        "secret",
        "secret_color",
        "secret_child",
        "secret_child.color",
        "secret_child.map_string_int32[*]",
        "secret_child.one_any.@type",
        "secret_map[*]",
    }
    assert secret not in repr(refusal) + repr(refusal.violations)
    assert "did you mean" not in repr(refusal.violations)


def test_only_a_short_part_of_an_unknown_name_is_repeated():
    refusal = refused(json.dumps({"x" * 10_000: 1, "mapStringInt32": {"y" * 10_000: "z"}}))

    assert all(len(v.field) < 80 for v in refusal.violations)
    assert len(refusal.sentence) < 200


@pytest.mark.parametrize(
    ("name", "body", "held"),
    [
        ("child", '{"oneInt32": 3}', Everything(child=Everything(one_int32=3))),
        ("child", "{}", Everything(child=Everything())),
        ("child", "null", Everything()),
        ("many_int32", "[1, 2]", Everything(many_int32=[1, 2])),
        ("map_string_int32", '{"a": 1}', Everything(map_string_int32={"a": 1})),
        ("one_string", '"x"', Everything(one_string="x")),
        ("one_timestamp", '"1970-01-01T00:00:01Z"', Everything(one_timestamp={"seconds": 1})),
        ("one_value", "null", Everything(one_value=struct_pb2.Value(null_value=struct_pb2.NULL_VALUE))),
    ],
)
def test_a_body_can_be_one_field_of_the_request(name, body, held):
    assert plan("POST", body=name).decode(request(body=body.encode())) == held


def test_paths_of_a_body_that_is_one_field_begin_with_the_field():
    read = plan("POST", body="child").decode

    with pytest.raises(Refusal) as unfit:
        read(request(body=b'{"oneInt32": "x"}'))
    with pytest.raises(Refusal) as twice:
        read(request(body=b'{"oneInt32": 1, "oneInt32": 1}'))

    assert unfit.value.violations[0].field == "child.one_int32"
    assert twice.value.violations[0].field == "child.one_int32"


def test_a_mask_may_have_as_many_paths_as_the_limit_says():
    mask = ",".join(["a"] * MASK_PATHS_MAX)

    message = decode_message(json.dumps({"oneFieldMask": mask}).encode(), Everything)

    assert len(message.one_field_mask.paths) == MASK_PATHS_MAX
