"""The lenient reader takes what Go's protojson takes, as grpc-gateway uses it, and makes the same of it."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

from bedplate.errors import Refusal
from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encode_message
from bedplate.gateway.codec.parse import DEPTH_MAX
from tests.gateway.everything import Everything
from tests.gateway.plans import lenient_decoder

read = lenient_decoder(Everything)
# Documents, and what protojson made of them; see protojson/main.go.
ANSWERS: list[tuple[Any, str | None]] = json.loads(
    (Path(__file__).parent / "protojson" / "answers.json").read_bytes()
)

# What is answered otherwise, by a part of the document.
OTHERWISE = {
    "00000000000000000000e-2": "whole numbers that a float64 does not hold need plain digits",
    "1.8446744073709551615e19": "the same",
    "9.2233720368547758070e18": "the same",
    "9007199254740993.0": "the same",
    "1.00000000000000000000000000000000001": "is 1 as a float64, which is what a JSON number is",
    '": -0}': "a zero has no sign unless it is written -0.0",
    '"manyValue": null': "null leaves every field unset that is not a Value itself",
    '"oneFieldMask": "*"': "AIP-134 has it",
}


def made_of(document: Any) -> bytes:
    return document.encode() if isinstance(document, str) else base64.b64decode(document["base64"])


def agreed(document: Any) -> bool:
    return not any(part in str(document) for part in OTHERWISE)


def ours(document: Any) -> bytes | None:
    try:
        return encode_message(read(made_of(document)))
    except Refusal:
        return None


def theirs(answer: str | None) -> bytes | None:
    return None if answer is None else encode_message(Everything.FromString(base64.b64decode(answer)))


def test_documents_become_what_protojson_makes_of_them():
    different = [
        (document, ours(document), theirs(answer))
        for document, answer in ANSWERS
        if agreed(document) and ours(document) != theirs(answer)
    ]

    assert different == []
    assert len(ANSWERS) > 800


@pytest.mark.parametrize("part", OTHERWISE)
def test_what_is_answered_otherwise_is_so(part):
    found = [(document, answer) for document, answer in ANSWERS if part in str(document)]

    assert any(ours(document) != theirs(answer) for document, answer in found)


def test_the_strict_reader_takes_nothing_that_the_lenient_one_refuses():
    strict = decoder(Everything)
    for document, _ in ANSWERS:
        try:
            message = strict(made_of(document))
        except Refusal:
            continue
        assert ours(document) == encode_message(message), document


def test_unknown_fields_are_dropped_at_any_depth_and_within_any():
    document = {
        "nope": {"deep": [1, {"er": None}]},
        "child": {"nope": 1, "children": [{"nope": 1, "oneInt32": 1}]},
        "mapChild": {"a": {"nope": 1}},
        "oneAny": {"@type": "x/bedplate.tests.gateway.Everything", "child": {"nope": 1}},
    }

    message = read(json.dumps(document).encode())

    expected = Everything(child={"children": [{"one_int32": 1}]}, map_child={"a": {}})
    expected.one_any.Pack(Everything(child={}), type_url_prefix="x/")
    assert message == expected


# Documents with known fields that do not fit, and the path of the violation.
REFUSED = [
    ('{"x": 1, "oneInt32": "y"}', "one_int32"),
    ('{"x": 1, "child": {"x": 1, "oneBool": 1}}', "child.one_bool"),
    ('{"x": 1, "x": 2, "child": {"oneInt32": 1, "oneInt32": 2}}', "child.one_int32"),
    ('{"x": 1, "oneInt32": 1, "one_int32": 2}', "one_int32"),
    ('{"oneInt32": 1e999}', "one_int32"),
    ('{"oneString": 1e999}', "one_string"),
    ('{"oneStruct": {"a": 1, "a": 2}}', "one_struct"),
    ('{"oneString": {"a": 1, "a": 2}}', "one_string"),
    ('{"byInt32": {"1": "a", "01": "b"}}', "by_int32"),
]


@pytest.mark.parametrize(("document", "path"), REFUSED)
def test_known_fields_that_do_not_fit_are_refused_with_their_path(document, path):
    with pytest.raises(Refusal) as caught:
        read(document.encode())

    assert [violation.field for violation in caught.value.violations] == [path]


def test_depth_is_bounded_in_what_is_dropped_and_where_keys_stand_twice():
    for opening, closing in (("[", "]"), ('{"a":1,"a":', "}"), ('{"a":', "}")):
        deep = opening * (DEPTH_MAX - 1) + "1" + closing * (DEPTH_MAX - 1)
        deeper = opening * 5_000 + "1" + closing * 5_000

        assert read(f'{{"x":{deep}}}'.encode()) == Everything()
        for document in (
            f'{{"x":{opening}{deep}{closing}}}',
            f'{{"x":{deeper}}}',
            f'{{"x":{deeper}}} behind',
        ):
            with pytest.raises(Refusal, match="deep"):
                read(document.encode())


def test_hostile_documents_take_a_second_at_the_most():
    hostile = [
        b'{"x": ' + b"9" * 1_000_000 + b"}",
        b'{"oneInt64": ' + b"9" * 1_000_000 + b"} x",
        b'{"oneDuration": "' + b"." * 1_000_000 + b's"} x',
        b'{"oneFieldMask": "' + b"A," * 500_000 + b'A"}',
        b'{"oneTimestamp": "' + b"2" * 1_000_000 + b'"}',
        b'{"x": "' + b"\\ud83d\\ude00" * 80_000 + b'"} x',
        b"{" + b'"x":1,' * 160_000 + b'"x":1}',
        b"{}" + b"}" * 1_000_000,
        b" " * 1_000_000 + b"{} x",
    ]
    for document in hostile:
        begin = thread_time()
        with suppress(Refusal):
            read(document)
        assert thread_time() - begin < 3, document[:40]
