"""Masks of what is written: which fields a text chooses, and what it may not say."""

import json

import pytest

from bedplate.gateway.beside.mask import STEPS_MAX, TEXT_MAX, read_view
from bedplate.gateway.codec.encode import Options, encoder, writer
from bedplate.gateway.codec.text import Unfit
from tests.gateway.everything import EVERYTHING, Everything

MESSAGE = Everything(
    one_int32=1,
    one_string="a",
    many_int32=[1, 2],
    child={"one_int32": 3, "one_string": "b", "child": {"one_bool": True, "one_int32": 4}},
    children=[{"one_int32": 5, "color": 1}, {"one_int32": 6}, {}],
    map_string_int32={"x": 1, "y": 2, "a.b": 3},
    map_child={"k": {"one_int32": 7, "one_bool": True}, "l": {"one_int32": 8, "one_bool": True}},
    by_int64={5: "five", 6: "six"},
    by_bool={True: "yes", False: "no"},
    one_timestamp={"seconds": 1},
    one_int32_value={"value": 0},
)
ALL = encoder(EVERYTHING)(MESSAGE)

# mask, what it leaves
VIEWS = [
    ("", ALL),
    ("*", ALL),
    ("oneInt32,*", ALL),
    ("oneInt32", {"oneInt32": 1}),
    ("one_int32, oneString", {"oneInt32": 1, "oneString": "a"}),
    ("oneBool", {}),
    ("child", {"child": ALL["child"]}),
    ("child.*", {"child": ALL["child"]}),
    ("child.oneInt32,child", {"child": ALL["child"]}),
    ("child,child.oneInt32", {"child": ALL["child"]}),
    ("child.child.oneBool,child.oneString", {"child": {"oneString": "b", "child": {"oneBool": True}}}),
    ("children.color", {"children": [{"color": "COLOR_RED"}, {}, {}]}),
    ("children.*.color", {"children": [{"color": "COLOR_RED"}, {}, {}]}),
    ("children.*", {"children": ALL["children"]}),
    ("manyInt32.*", {"manyInt32": [1, 2]}),
    ("mapStringInt32.x", {"mapStringInt32": {"x": 1}}),
    ("mapStringInt32.*", {"mapStringInt32": {"x": 1, "y": 2, "a.b": 3}}),
    ("mapStringInt32.`a.b`,mapStringInt32.none", {"mapStringInt32": {"a.b": 3}}),
    ("mapChild.k.oneBool", {"mapChild": {"k": {"oneBool": True}}}),
    ("mapChild.*.oneBool", {"mapChild": {"k": {"oneBool": True}, "l": {"oneBool": True}}}),
    (
        "mapChild.k.oneInt32,mapChild.*.oneBool",
        {"mapChild": {"k": {"oneInt32": 7, "oneBool": True}, "l": {"oneBool": True}}},
    ),
    ("mapChild.k,mapChild.*.oneBool", {"mapChild": {"k": ALL["mapChild"]["k"], "l": {"oneBool": True}}}),
    ("byInt64.5,byBool.true", {"byInt64": {"5": "five"}, "byBool": {"true": "yes"}}),
    ("oneTimestamp,oneInt32Value", {"oneTimestamp": "1970-01-01T00:00:01Z", "oneInt32Value": 0}),
]


@pytest.mark.parametrize(("mask", "left"), VIEWS)
def test_a_mask_leaves_what_it_names(mask, left):
    assert encoder(EVERYTHING, mask=read_view(mask, EVERYTHING))(MESSAGE) == left


# mask, path of the violation, a part of its sentence
UNKNOWN = [
    ("oneInt33", "oneInt33", "did you mean oneInt32?"),
    ("oneInt32,child.colour", "child.colour", "did you mean color?"),
    ("oneInt32.x", "oneInt32.x", "nothing below one_int32"),
    ("oneTimestamp.seconds", "oneTimestamp.seconds", "nothing below"),
    ("oneStruct.a", "oneStruct.a", "nothing below"),
    ("mapStringInt32.x.y", "mapStringInt32.x.y", "nothing below"),
    ("child.*.oneInt32", "child.*.oneInt32", "End the path"),
    ("oneInt32,", "", "Send names"),
    ("child.", "child.", "Send names"),
    (".child", ".child", "Send names"),
    ("child..oneInt32", "child..oneInt32", "Send names"),
    ("mapStringInt32.`x", "mapStringInt32.`x", "Send names"),
    (".".join(["child"] * (STEPS_MAX + 1)), ("child." * STEPS_MAX)[:80], f"at most {STEPS_MAX}"),
    ("x" * (TEXT_MAX + 1), "", f"at most {TEXT_MAX}"),
]


@pytest.mark.parametrize(("mask", "path", "words"), UNKNOWN, ids=lambda value: str(value)[:30])
def test_a_mask_that_names_no_field_is_refused_with_the_path_and_the_way_to_mend_it(mask, path, words):
    with pytest.raises(Unfit) as caught:
        read_view(mask, EVERYTHING)

    (violation,) = caught.value.violations
    assert (violation.field, violation.rule) == (path, "json.mask")
    assert words in violation.sentence


def test_a_mask_of_one_field_begins_below_it():
    mask = read_view("children.color,mapChild.k.oneInt32,mapChild.l.oneBool", EVERYTHING)
    assert mask is not None

    children = writer(EVERYTHING, "children", mask=mask["children"])(MESSAGE)
    by_key = writer(EVERYTHING, "map_child", mask=mask["map_child"])(MESSAGE)

    assert json.loads(children) == [{"color": "COLOR_RED"}, {}, {}]
    assert json.loads(by_key) == {"k": {"oneInt32": 7}, "l": {"oneBool": True}}


def test_names_and_enums_are_written_as_the_options_say():
    message = Everything(color=-7, colors=[1, 99], child={"one_int32": 1}, named_otherwise="x")

    plain = encoder(EVERYTHING, Options(enum_numbers=True, proto_names=True))(message)

    assert plain == {"color": -7, "colors": [1, 99], "child": {"one_int32": 1}, "named_otherwise": "x"}


def test_options_hold_below_masks_in_maps_and_in_any():
    message = Everything(children=[{"color": 1}], map_color={True: 1})
    message.one_any.Pack(Everything(color=1, one_int64=5))
    options = Options(unset=True, enum_numbers=True, proto_names=True)
    mask = read_view("children.color,map_color,one_any,one_string", EVERYTHING)

    written = encoder(EVERYTHING, options, mask)(message)

    assert written["children"] == [{"color": 1}]
    assert written["map_color"] == {"true": 1}
    assert written["one_string"] == ""
    assert (written["one_any"]["color"], written["one_any"]["one_int64"]) == (1, "5")
    assert written["one_any"]["one_string"] == ""
    assert set(written) == {"children", "map_color", "one_any", "one_string"}


def test_an_encoder_is_made_once_for_each_combination():
    assert encoder(EVERYTHING) is encoder(EVERYTHING, Options())
    assert encoder(EVERYTHING, Options(unset=True)) is not encoder(EVERYTHING)


def test_a_whole_message_can_be_written_with_a_mask():
    assert writer(EVERYTHING, mask=read_view("oneInt32", EVERYTHING))(MESSAGE) == b'{"oneInt32":1}'
