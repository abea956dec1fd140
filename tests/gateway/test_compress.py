"""Bodies that are compressed: which, in what, and how much of a request is unpacked."""

import gzip
import importlib.util
import random
import sys
import zlib

import brotli
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.gateway.beside import codings, compress
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, call
from tests.protos import add_file, field

PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}
UNPACK = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": zstd.decompress}

LONG = f"/v1/things/{'abcdefgh' * 200}"
NAMES = ("zstd", "br", "gzip")
MANY = b'{"limit": 1%s}' % (b" " * 3_000_000)


async def get(served, target=LONG, **headers):
    return await call(served.address, "GET", target, **headers)


@pytest.mark.parametrize("coding", UNPACK)
async def test_a_large_answer_comes_in_the_coding_that_its_caller_takes(served, coding):
    plain = await get(served, x_request_id="one")
    packed = await get(served, x_request_id="one", accept_encoding=coding)

    assert packed["content-encoding"] == coding
    assert UNPACK[coding](packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4
    assert int(packed["content-length"]) == len(packed.body)
    assert packed["vary"] == plain["vary"] == "accept-encoding"
    assert not plain.has("content-encoding")


@pytest.mark.parametrize(
    "accept", ["", "identity", "deflate", "gzip;q=0", "gzip;q=0.5, identity", "foo", "*;q=0, identity"]
)
async def test_a_caller_that_takes_no_coding_of_ours_gets_it_as_it_is(served, accept):
    reply = await get(served, accept_encoding=accept)

    assert reply.status == 200
    assert not reply.has("content-encoding")
    assert reply.json["method"] == "GetThing"


async def test_a_small_answer_is_not_compressed_and_varies_by_nothing(served):
    reply = await get(served, "/v1/things/a", accept_encoding="gzip")

    assert not reply.has("content-encoding")
    assert not reply.has("vary")


async def test_a_head_has_the_headers_of_the_get(served):
    async with Wire(served.address) as wire:
        got = await wire.call("GET", LONG, x_request_id="one", accept_encoding="gzip")
        head = await wire.call("HEAD", LONG, x_request_id="one", accept_encoding="gzip")

    assert head["content-encoding"] == "gzip"
    assert head["content-length"] == got["content-length"]
    assert head.body == b""


@pytest.mark.parametrize("accept", ["identity;q=0, gzip", "gzip;q=0.1, *;q=0", "GZIP, identity;q=0"])
async def test_a_caller_that_takes_nothing_plain_gets_even_small_answers_compressed(served, accept):
    reply = await get(served, "/v1/things/a", accept_encoding=accept)

    assert reply["content-encoding"] == "gzip"
    assert b"GetThing" in gzip.decompress(reply.body)


@pytest.mark.parametrize(
    "accept", ["identity;q=0", "*;q=0", "identity;q=0, deflate", "gzip;q=0, br;q=0, zstd;q=0, identity;q=0"]
)
async def test_a_caller_that_takes_nothing_is_told_what_there_is_before_anything_is_done(served, accept):
    reply = await get(served, accept_encoding=accept)

    assert (reply.status, reply.json["reason"]) == (406, "NOT_ACCEPTABLE")
    assert reply.json["metadata"] == {"available": "zstd, br, gzip, identity"}
    assert served.handlers.entered == []


@pytest.mark.parametrize("accept", ["gzip;q=7", "gzip br", "gzip;q", 'br;q="', "é"])
async def test_an_accept_encoding_that_cannot_be_read_is_refused_by_its_name(served, accept):
    reply = await get(served, accept_encoding=accept)

    assert (reply.status, reply.json["reason"]) == (400, "HTTP_MALFORMED")
    assert reply.json["detail"].startswith("The header accept-encoding ")


CHOICES = {
    "gzip": ("gzip", True),
    "x-gzip": ("gzip", True),
    "br, gzip": ("br", True),
    "gzip, br, zstd": ("zstd", True),
    "gzip;q=1.0, br;q=0.9": ("gzip", True),
    "*": ("zstd", True),
    "*;q=0.5, gzip": ("gzip", True),
    "zstd;q=0, *": ("br", True),
    "identity;q=0.5, gzip;q=0.4": ("identity", True),
    "identity;q=0.5, gzip;q=0.5": ("gzip", True),
    "identity;q=0, br": ("br", False),
    "*;q=0, br": ("br", False),
    "*;q=0, identity": ("identity", True),
    "*;q=0": ("", False),
}


@pytest.mark.parametrize("accept", CHOICES)
def test_what_is_liked_best_is_taken_and_ours_first_of_equals(accept):
    assert compress.choose(accept, NAMES) == CHOICES[accept]


async def test_the_size_from_which_answers_are_compressed_can_be_set():
    async with open_door(http_compress_bytes=1) as served:
        assert (await get(served, "/v1/things/a", accept_encoding="gzip"))["content-encoding"] == "gzip"
    async with open_door(http_compress_bytes=0) as served:
        assert not (await get(served, accept_encoding="gzip")).has("content-encoding")
        assert (await get(served, accept_encoding="identity;q=0, gzip")).status == 406


async def test_a_compressed_answer_has_a_tag_of_its_own_that_finds_it_unchanged(served):
    plain = await get(served)
    packed = await get(served, accept_encoding="gzip")
    again = await get(served, accept_encoding="gzip", if_none_match=packed["etag"])

    assert packed["etag"] == plain["etag"][:-1] + '--gzip"'
    assert (again.status, again["etag"], again.body) == (304, packed["etag"], b"")
    assert not again.has("content-encoding")


async def test_a_failure_is_not_compressed(served):
    reply = await get(served, f"/v1/things?limit={'x' * 3000}", accept_encoding="gzip")

    assert reply.status == 400
    assert not reply.has("content-encoding")


def test_answers_that_hold_secrets_are_not_compressed():
    file = add_file(
        'name: "tests/compress/v1/secret.proto" package: "tests.compress.v1"\n'
        'dependency: "bedplate/v1/policy.proto"\n'
        'message_type { name: "Key"\n'
        + field("secret", 1, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }")
        + "}\n"
        + 'message_type { name: "Card"\n'
        + field("number", 1, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_CARD }")
        + "}\n"
        + 'message_type { name: "Person"\n'
        + field("mail", 1, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_PII }")
        + "}\n"
        + 'message_type { name: "Page"\n'
        + field("keys", 1, ".tests.compress.v1.Key", repeated=True)
        + "}\n"
    )
    held = {name: compress.holds_secrets(each) for name, each in file.message_types_by_name.items()}

    assert held == {"Key": True, "Card": True, "Person": False, "Page": True}


def test_without_the_extra_there_is_gzip(monkeypatch):
    for name in ("brotli", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    spec = importlib.util.spec_from_file_location("bare_codings", codings.__file__)
    bare = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bare_codings", bare)
    spec.loader.exec_module(bare)

    assert list(bare.WRITES) == ["gzip"]
    assert set(bare.READS) == {"gzip", "x-gzip", "deflate"}


# What comes in.


async def post(served, body, coding, target="/v1/things"):
    return await call(served.address, "POST", target, body, content_encoding=coding)


@pytest.mark.parametrize("coding", PACK)
async def test_a_compressed_request_is_read(served, coding):
    reply = await post(served, PACK[coding](b'{"limit": 7}'), coding.upper())

    assert (reply.status, reply.json["thing"]) == (200, {"limit": 7})


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
async def test_identity_is_no_coding(served, coding):
    assert (await post(served, b'{"limit": 7}', coding)).status == 200


@pytest.mark.parametrize(
    "coding", ["gzip, gzip", "identity, gzip", "gzip,", "compress", "lz4", "aws-chunked", "x"]
)
async def test_an_unknown_coding_or_two_of_them_are_refused_with_those_that_are_known(served, coding):
    reply = await post(served, gzip.compress(gzip.compress(b"{}")), coding)

    assert (reply.status, reply.json["reason"]) == (415, "CONTENT_TYPE_UNSUPPORTED")
    assert reply["accept-encoding"] == "zstd, br, gzip, deflate"
    assert not reply.has("accept")


SPOILED = {
    "nothing of it": lambda body: b"{}",
    "cut": lambda body: body[:-1],
    "only the head": lambda body: body[:4],
    "something behind": lambda body: body + b"\x00",
    "twice": lambda body: body + body,
    "damaged": lambda body: body[:1] + bytes([body[1] ^ 0x5A]) + body[2:],
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_what_is_not_as_its_coding_says_is_refused(served, coding, how):
    reply = await post(served, SPOILED[how](PACK[coding](b'{"limit": 7, "name": "abc"}')), coding)

    assert (reply.status, reply.json["reason"]) == (400, "CONTENT_ENCODING_INVALID")
    assert served.handlers.entered == []


async def test_raw_deflate_is_none_of_http(served):
    machine = zlib.compressobj(wbits=-15)
    reply = await post(served, machine.compress(b"{}") + machine.flush(), "deflate")

    assert (reply.status, reply.json["reason"]) == (400, "CONTENT_ENCODING_INVALID")


@pytest.mark.parametrize("coding", PACK)
async def test_a_body_may_unpack_to_the_methods_limit_and_no_further(served, coding):
    fits = b'{"name": "%s"}' % (b"a" * (64 - 12))

    assert (await post(served, PACK[coding](fits), coding, "/v1/small")).status == 200
    reply = await post(served, PACK[coding](fits + b" "), coding, "/v1/small")
    assert (reply.status, reply.json["reason"]) == (413, "MESSAGE_TOO_LARGE")
    assert reply.json["metadata"] == {"limit_bytes": "64"}


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_what_unpacks_to_a_hundred_times_its_size_is_refused_though_it_would_fit(served, coding):
    reply = await post(served, PACK[coding](MANY), coding)

    assert len(MANY) < 4 * 1024 * 1024
    assert (reply.status, reply.json["reason"]) == (400, "CONTENT_ENCODING_INVALID")
    assert "100 times" in reply.json["detail"]


async def test_nothing_is_unpacked_for_a_caller_that_may_not_call(served):
    reply = await call(served.address, "POST", "/v1/things", b"junk", key="wrong", content_encoding="gzip")

    assert reply.status == 401


async def test_what_the_door_holds_of_bodies_is_given_back_when_they_were_unpacked(served):
    for body in (gzip.compress(b'{"limit": 7}'), gzip.compress(b"{"), b"junk"):
        await post(served, body, "gzip")

    assert served.door.held == 0


BODIES = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=20), st.integers(0, 20_000)),
)


@given(body=BODIES, coding=st.sampled_from(sorted(codings.READS)), limit=st.integers(0, 100_000))
@settings(max_examples=200, deadline=None)
def test_no_coding_yields_more_than_it_is_asked_for(body, coding, limit):
    coded = PACK[coding](body)
    try:
        read = codings.READS[coding](coded, limit)
    except codings.TooLong:
        assert len(body) > limit
    else:
        assert read == body
        assert len(body) <= limit


@given(
    data=st.binary(max_size=300), coding=st.sampled_from(sorted(codings.READS)), seed=st.integers(0, 2**32)
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_within_the_limit_or_refused(data, coding, seed):
    chance = random.Random(seed)
    coded = bytearray(PACK[coding](data * chance.randrange(1, 50)))
    for _ in range(chance.randrange(4)):
        coded[chance.randrange(len(coded))] = chance.randrange(256)
    try:
        read = codings.READS[coding](bytes(coded), 1_000)
    except (codings.NotCoded, codings.TooLong):
        return
    assert len(read) <= 1_000


@pytest.mark.parametrize("coding", codings.WRITES)
def test_what_is_written_can_be_read_at_every_size(coding):
    for size in (0, 1, 1_000, codings.LARGE_BYTES, codings.LARGE_BYTES + 1, 300_000):
        body = random.Random(size).randbytes(size // 2) + b"a" * (size - size // 2)
        assert codings.READS[coding](codings.WRITES[coding].write(body), size) == body
