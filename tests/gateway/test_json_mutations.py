"""Documents with some bytes changed are read as json_format reads them, or refused; nothing else happens."""

from random import Random
from typing import Any

import orjson
import pytest
from google.protobuf import json_format

from bedplate.errors import Refusal
from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encode_message, encoder
from tests.gateway.everything import EVERYTHING, Everything
from tests.gateway.plans import lenient_decoder
from tests.gateway.random_types import random_message

strict, lenient = decoder(Everything), lenient_decoder(Everything)
_PIECES = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b"+", b".", b"e9", b" ", b"\n", b"\0"),
    *(b"null", b"true", b"1e999", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"Z", b"s", b"="),
    *(b"oneInt32", b"@type", b"NaN", b"99999999999999999999", b"\\u0000", "é".encode(), b"[[[[[[[["),
]


def mutated(random: Random, document: bytes) -> bytes:
    """The document with up to three pieces put in, taken out, or put twice."""
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(document) + 1)
        end = at + random.choice([0, 0, 1, 1, 5, 20])
        piece = random.choice([random.choice(_PIECES), b"", document[at:end] * 2])
        document = document[:at] + piece + document[end:]
    return document


def written(message: Any) -> bytes:
    """The message as JSON, with keys in order: entries of maps have none of their own."""
    return orjson.dumps(encoder(EVERYTHING)(message), option=orjson.OPT_SORT_KEYS)


def taken(read: Any, document: bytes) -> bytes | None:
    """What a reader made of a document, as it is written again; None: refused."""
    try:
        message = read(document)
    except Refusal as refusal:
        expected_of(refusal)
        return None
    return written(message)


def expected_of(refusal: Refusal) -> None:
    """Nothing, when the refusal is one that a document may get."""
    assert refusal.reason in ("INVALID_REQUEST", "MALFORMED_REQUEST")
    assert len(refusal.sentence) < 600


def check(seed: int, documents: int) -> None:
    random = Random(seed)
    message = random_message(random, EVERYTHING, depth=4)
    whole = encode_message(message)
    for _ in range(documents):
        document = mutated(random, whole)
        made = taken(strict, document)
        soft = taken(lenient, document)
        if made is None:
            continue
        assert soft == made, (seed, document)
        theirs = json_format.Parse(document, Everything())
        assert written(theirs) == made, (seed, document)


def test_mutated_documents_are_refused_or_read_as_json_format_reads_them():
    for seed in range(60):
        check(seed, documents=20)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_hundred_thousand_mutated_documents_are_refused_or_read_as_json_format_reads_them():
    for seed in range(1_000, 2_000):
        check(seed, documents=100)
