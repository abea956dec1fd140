"""Documents as a whole: what is no JSON, stands twice, nests too deep or takes too long to read."""

import json
from contextlib import suppress
from time import thread_time

import pytest

from bedplate.errors import Refusal
from bedplate.gateway.codec.decode import decode_message, decoder
from bedplate.gateway.codec.encode import encode_message
from bedplate.gateway.codec.leaf import VALUE_DEPTH_MAX
from bedplate.gateway.codec.parse import DEPTH_MAX, parse
from bedplate.ledger.v1 import ledger_pb2
from tests.gateway.everything import Everything
from tests.gateway.refusals import refused

# body, path
TWICE = [
    (r'{"oneString": "\":", "oneString": "\\\":"}', "one_string"),
    (r'{"oneString": "\u0022:", "oneString": "b"}', "one_string"),
    (r'{"one\u0053tring": "a", "oneString": "b"}', "one_string"),
    ('{"one_string" : "a" ,\n"one_string"\t:\r"b"}', "one_string"),
    ('{"child": {"oneInt32": 1, "oneInt32": 2}}', "child.one_int32"),
    ('{"children": [{}, {"child": {"color": 0, "color": 1}}]}', "children[1].child.color"),
    ('{"child": {"oneBool": true}, "child": {}}', "child"),
    ('{"mapStringInt32": {"a": 1, "a": 2}}', "map_string_int32.a"),
    ('{"oneStruct": {"x": {"y": [1, {"z": 1, "z": 1}]}}}', "one_struct.x.y[1].z"),
    ('{"noSuchField": {"a": 1, "a": 1}}', "noSuchField.a"),
    ('{"secretMap": {"4111": 1, "4111": 2}}', "secret_map"),
    (r'{"oneString": "\\", "one_bool": true, "one_bool": true, "one_bytes": "\\"}', "one_bool"),
]


@pytest.mark.parametrize(("body", "path"), TWICE)
def test_a_key_that_stands_twice_is_refused_wherever_it_is(body, path):
    refusal = refused(body)

    assert [(v.field, v.rule) for v in refusal.violations] == [(path, "json.twice")]


def test_strings_full_of_quotes_and_colons_are_no_duplicate_keys():
    text = '":\\":\\\\":" : {"a": 1, "a": 2}\\'
    body = json.dumps({"oneString": text, "manyString": [text, '"', "\\"], "mapStringString": {text: text}})

    message = decode_message(body.encode(), Everything)

    assert (message.one_string, message.many_string[0], message.map_string_string[text]) == (text,) * 3


def test_one_field_under_both_its_names_is_refused_even_when_one_is_null():
    refusal = refused('{"oneInt32": null, "one_int32": 1}')

    assert refusal.violations[0].field == "one_int32"
    assert "as oneInt32 and as one_int32" in refusal.violations[0].sentence


@pytest.mark.parametrize(
    "body",
    [
        '{"chooseInt64": 1, "chooseString": ""}',
        '{"chooseChild": {}, "chooseBool": false}',
        '{"chooseValue": null, "chooseBool": false}',
        '{"chooseNull": null, "chooseBool": false}',
    ],
)
def test_two_members_of_one_oneof_are_refused(body):
    (violation,) = refused(body).violations

    assert "may be set; send one" in violation.sentence


# body, words, line and column
MALFORMED = [
    (b"", "empty", None),
    (b" \n\t ", "empty", None),
    (b"{", "line 1, column 2", (1, 2)),
    (b'{"oneInt32": 1}\n  xx', "line 2, column 3", (2, 3)),
    (b'{"oneInt32": 1,}', "line 1", None),
    (b"{'oneInt32': 1}", "line 1, column 2", (1, 2)),
    (b'{"oneInt32": 01}', "line 1", None),
    (b'{"oneInt32": +1}', "line 1", None),
    (b'{"oneInt32": 0x1}', "line 1", None),
    (b'{"oneDouble": NaN}', "line 1, column 15", (1, 15)),
    (b'{"oneDouble": -Infinity}', "line 1", None),
    (b'{"oneDouble": 1e400}', "line 1", None),
    (b'{"oneString": "\n"}', "line 1", None),
    (b'{"oneString": "\\ud800"}', "line 1", None),
    (b'{"oneString": "\\udc00\\ud800"}', "line 1", None),
    (b'{"oneString": "\xff"}', "not UTF-8 at byte 15", None),
    (b'{"oneString": "\xed\xa0\x80"}', "not UTF-8", None),
    (b'\xef\xbb\xbf{"oneInt32": 1}', "byte order mark", None),
    ('{"oneInt32": 1}'.encode("utf-16"), "not UTF-8", None),
    (b'{"a": 1} // no', "line 1", None),
    (b"[" * 5000, "nested more than 64 deep", None),
    (b"[" * 5000 + b"]" * 5000, "nested more than 64 deep", None),
    (b'{"oneStruct":' + b'{"a":' * 900 + b"1" + b"}" * 901, "nested more than 64 deep", None),
]


@pytest.mark.parametrize(("body", "words", "place"), MALFORMED, ids=lambda value: repr(value)[:30])
def test_what_is_not_json_is_refused_with_its_place_and_without_its_text(body, words, place):
    refusal = refused(body)

    assert refusal.reason == "MALFORMED_REQUEST"
    assert words in refusal.sentence
    assert refusal.violations == ()
    if place is not None:
        assert (refusal.facts["line"], refusal.facts["column"]) == tuple(str(part) for part in place)


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"x"', b"true"])
def test_a_body_that_is_no_object_is_refused(body):
    assert "Send an object, not" in refused(body).sentence


# What opens one level, what is innermost, how many levels are taken, and what begins and ends the document.
DEEP = [
    ('{"child":', "{}", DEPTH_MAX - 1, "", ""),
    ('{"@type":"x/google.protobuf.Any","value":', "{}", DEPTH_MAX - 2, '{"oneAny":', "}"),
    ('{"a":', "[]", VALUE_DEPTH_MAX - 1, '{"oneStruct":', "}"),
    (
        '{"a":',
        "1",
        VALUE_DEPTH_MAX,
        '{"child":' * (DEPTH_MAX - VALUE_DEPTH_MAX - 1) + '{"oneValue":',
        "}" * (DEPTH_MAX - VALUE_DEPTH_MAX),
    ),
]


@pytest.mark.parametrize(("opening", "inner", "levels", "begin", "end"), DEEP)
def test_nesting_is_taken_up_to_the_limit_and_refused_beyond(opening, inner, levels, begin, end):
    def body(count: int) -> bytes:
        return (begin + opening * count + inner + "}" * count + end).encode()

    message = decode_message(body(levels), Everything)

    assert Everything.FromString(message.SerializeToString()) == message
    assert json.loads(encode_message(message)) == json.loads(body(levels))
    assert "deep" in refused(body(levels + 1)).sentence


def test_deep_nesting_in_a_type_that_cannot_hold_it_is_refused_too():
    body = b'{"ledgerId": ' + b"[" * 200 + b"]" * 200 + b"}"

    with pytest.raises(Refusal) as caught:
        decode_message(body, ledger_pb2.GetLedgerRequest)

    assert caught.value.violations[0].field == "ledger_id"


def test_hostile_documents_of_a_megabyte_take_seconds_at_the_most():
    read = decoder(Everything)
    hostile = [
        b'{"manyString": ["' + b"\\\\" * 500_000 + b'"]}',
        b'{"manyString": [' + b'"\\"",' * 170_000 + b'""]}',
        b'{"manyValue": [' + b"[]," * 340_000 + b"1]}",
        b"{" + b",".join(b'"k%d":1' % n for n in range(90_000)) + b"}",
        b'{"oneString": 1, ' + b'"oneStruct": {' + b",".join(b'"k%d":1' % n for n in range(90_000)) + b"}}",
        b'{"oneInt64": "' + b"9" * 1_000_000 + b'"}',
        b'{"oneBytes": "' + b"=" * 1_000_000 + b'"}',
        b'{"color": "' + b"C" * 1_000_000 + b'"}',
        b'{"' + b"x" * 1_000_000 + b'": 1}',
        b'{"manyInt32": [' + b"1," * 500_000 + b"1], " + b'"oneBool": true, "oneBool": true}',
    ]
    for body in hostile:
        begin = thread_time()
        with suppress(Refusal):
            read(body)
        assert thread_time() - begin < 10, body[:40]


def test_a_parsed_document_is_plain_values():
    assert parse(b'{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}
