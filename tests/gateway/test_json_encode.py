"""What the JSON writer writes where json_format is no measure: faults, choices, exact text."""

import pytest
from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

from bedplate.gateway.codec.encode import Options, encode_message, encoder, field_encoder
from bedplate.gateway.codec.text import EncodeError
from tests.gateway.everything import EVERYTHING, Everything


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            Everything(one_int64=1, one_uint64=2**64 - 1),
            b'{"oneInt64":"1","oneUint64":"18446744073709551615"}',
        ),
        (Everything(one_int32=-1), b'{"oneInt32":-1}'),
        (Everything(one_float=0.1, one_double=0.1), b'{"oneDouble":0.1,"oneFloat":0.1}'),
        (Everything(one_float=16777216.0), b'{"oneFloat":16777216.0}'),
        (Everything(one_float=3.4028235e38), b'{"oneFloat":3.4028235e+38}'),
        (Everything(one_float=1e-45), b'{"oneFloat":1.4013e-45}'),
        (Everything(one_double=float("nan")), b'{"oneDouble":"NaN"}'),
        (Everything(one_float=float("-inf")), b'{"oneFloat":"-Infinity"}'),
        (Everything(one_bytes=b"\xfb\xff"), b'{"oneBytes":"+/8="}'),
        (Everything(color=1), b'{"color":"COLOR_RED"}'),
        (Everything(color=99, colors=[0, 99]), b'{"color":99,"colors":["COLOR_UNSPECIFIED",99]}'),
        (Everything(maybe_int32=0), b'{"maybeInt32":0}'),
        (Everything(choose_null=0), b'{"chooseNull":null}'),
        (Everything(by_bool={True: "x"}), b'{"byBool":{"true":"x"}}'),
        (Everything(one_string="é\u2028\0"), '{"oneString":"é\u2028\\u0000"}'.encode()),
        (Everything(one_value=struct_pb2.Value()), b'{"oneValue":null}'),
        (Everything(), b"{}"),
        (timestamp_pb2.Timestamp(seconds=-1, nanos=999), b'"1969-12-31T23:59:59.000000999Z"'),
        (timestamp_pb2.Timestamp(seconds=-62135596800), b'"0001-01-01T00:00:00Z"'),
        (duration_pb2.Duration(nanos=-500_000_000), b'"-0.500s"'),
        (wrappers_pb2.Int64Value(value=5), b'"5"'),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_values_are_written_as_the_mapping_says(message, text):
    assert encode_message(message) == text


NO_FORM = [
    timestamp_pb2.Timestamp(seconds=253402300800),
    timestamp_pb2.Timestamp(nanos=-1),
    duration_pb2.Duration(seconds=315576000001),
    duration_pb2.Duration(seconds=1, nanos=-1),
    field_mask_pb2.FieldMask(paths=["Not_snake"]),
    struct_pb2.Value(number_value=float("nan")),
    any_pb2.Any(type_url="x/no.Such"),
    any_pb2.Any(type_url="x/google.protobuf.Duration", value=b"\xff"),
]


@pytest.mark.parametrize("message", NO_FORM, ids=lambda message: repr(message)[:40])
def test_a_message_without_json_form_is_a_fault(message):
    with pytest.raises(EncodeError):
        encode_message(message)


def test_whole_numbers_in_free_values_have_no_point_as_far_as_they_are_exact():
    numbers = [1, 0.0, -0.0, -7, 1.5, 2**53 - 1, -(2**53), 1e300]
    held = struct_pb2.ListValue(values=[struct_pb2.Value(number_value=number) for number in numbers])

    written = encode_message(struct_pb2.Struct(fields={"a": struct_pb2.Value(list_value=held)}))

    assert written == b'{"a":[1,0,-0.0,-7,1.5,9007199254740991,-9007199254740992.0,1e+300]}'


def test_one_field_can_be_written_alone():
    message = Everything(many_int64=[1, 2], map_string_int32={"a": 1}, child=Everything(one_bool=True))

    written = {
        name: field_encoder(EVERYTHING.fields_by_name[name])(getattr(message, name))
        for name in ("many_int64", "map_string_int32", "child", "one_int64", "one_string")
    }

    assert written == {
        "many_int64": ["1", "2"],
        "map_string_int32": {"a": 1},
        "child": {"oneBool": True},
        "one_int64": "0",
        "one_string": "",
    }


def test_unset_fields_are_left_out_unless_they_are_asked_for():
    written = encoder(EVERYTHING, Options(unset=True))(Everything())

    assert encode_message(Everything()) == b"{}"
    assert written["oneInt64"] == "0"
    assert written["manyInt32"] == []
    assert written["mapStringInt32"] == {}
    assert written["color"] == "COLOR_UNSPECIFIED"
    assert "child" not in written
    assert "maybeInt32" not in written
    assert "chooseString" not in written
