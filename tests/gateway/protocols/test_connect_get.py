"""Connect by GET: the message stands in the query."""

import base64
import gzip
from urllib.parse import quote, urlencode

import pytest

from tests.gateway.protocols.contract import COMPRESS_BYTES, PATH, Ask, Opened, Told
from tests.gateway.protocols.test_connect import reason_of
from tests.gateway.wire import Wire, request

ASK = Ask(name="a~?", count=2)
BYTES = base64.urlsafe_b64encode(ASK.SerializeToString()).decode().rstrip("=")


@pytest.mark.parametrize("method", ["Read", "Free"])
async def test_what_is_only_read_may_be_called_by_get(rpc: Opened, method: str) -> None:
    text = quote('{"name": "a", "count": 2}')
    by_json = await rpc.get(f"{method}?connect=v1&encoding=json&message={text}")
    by_bytes = await rpc.get(f"{method}?message={BYTES}&base64=1&encoding=proto&connect=v1")

    assert (by_json.status, by_json["content-type"], by_json.json["count"]) == (200, "application/json", 2)
    assert (by_bytes.status, by_bytes["content-type"]) == (200, "application/proto")
    assert Told.FromString(by_bytes.body).name == "a~?"


@pytest.mark.parametrize("padded", ["", "=", "=="])
@pytest.mark.parametrize("encode", [base64.urlsafe_b64encode, base64.b64encode])
async def test_base64_may_be_of_either_alphabet_padded_or_not(
    rpc: Opened, padded: str, encode: object
) -> None:
    ask = Ask(pad=b"\xfb\xff" + bytes(len(padded))).SerializeToString()
    text = encode(ask).decode()  # type: ignore[operator]
    for form in (text, text.rstrip("=")):
        reply = await rpc.get(f"Read?{urlencode({'encoding': 'proto', 'base64': '1', 'message': form})}")
        assert reply.status == 200, reply.body


async def test_a_message_in_the_query_may_be_compressed(rpc: Opened) -> None:
    message = base64.urlsafe_b64encode(
        gzip.compress(b'{"name": "%b"}' % (b"a" * 10 * COMPRESS_BYTES))
    ).decode()
    reply = await rpc.get(
        f"Read?encoding=json&base64=1&compression=gzip&message={quote(message)}", accept_encoding="gzip"
    )

    assert (reply.status, reply["content-encoding"]) == (200, "gzip")
    assert b"a" * 1000 in gzip.decompress(reply.body)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "message"),
        ("encoding=json", "message"),
        ("message=%7B%7D", "encoding"),
        ("message=%7B%7D&encoding=xml", "encoding"),
        ("message=%7B%7D&encoding=json&connect=v2", "connect"),
        ("message=%7B%7D&encoding=json&base64=yes", "base64"),
        ("message=!&encoding=json&base64=1", "base64"),
        ("message=%7B%7D&message=%7B%7D&encoding=json", "message"),
        ("message=%7B%7D&encoding=json&name=a", "parameter"),
        ("message=%FF&encoding=proto", "escape"),
    ],
)
async def test_a_malformed_query_is_refused(rpc: Opened, query: str, said: str) -> None:
    reply = await rpc.get(f"Read?{query}")

    assert (reply.status, reply.json["code"]) == (400, "invalid_argument")
    assert reason_of(reply.json) == "HTTP_MALFORMED"
    assert said in reply.json["message"]
    assert rpc.handlers.calls == []


async def test_an_unknown_compression_in_the_query_is_unimplemented(rpc: Opened) -> None:
    for message in ("%7B%7D", ""):
        reply = await rpc.get(f"Read?message={message}&encoding=json&compression=snappy")

        assert (reply.status, reply.json["code"]) == (501, "unimplemented")


async def test_a_lenient_method_passes_unknown_parameters_over(rpc: Opened) -> None:
    reply = await rpc.get("Lenient?message=%7B%22name%22%3A%22a%22%7D&encoding=json&count=3&utm_source=x")

    assert (reply.status, reply.json["name"]) == (200, "a")
    assert "count" not in reply.json


async def test_what_changes_something_is_called_by_post_only(rpc: Opened) -> None:
    reply = await rpc.get("Echo?message=%7B%7D&encoding=json")

    assert (reply.status, reply["allow"]) == (405, "OPTIONS, POST")


async def test_what_asks_with_a_secret_is_called_by_post_only(rpc: Opened) -> None:
    reply = await rpc.get("Look?message=%7B%22secret%22%3A%22hunter2%22%7D&encoding=json")

    assert (reply.status, reply["allow"]) == (405, "OPTIONS, POST")
    assert (await rpc.call("Look", b'{"name": "a"}', "application/json")).json == {"name": "a"}


async def test_the_key_is_looked_at_before_the_query(rpc: Opened) -> None:
    reply = await rpc.get("Read", key=None)

    assert (reply.status, reply.json["code"]) == (401, "unauthenticated")


async def test_an_answer_may_be_kept_as_long_as_the_contract_says(rpc: Opened) -> None:
    kept = await rpc.get("Read?message=%7B%7D&encoding=json")
    by_post = await rpc.call("Read", b"{}", "application/json")
    failed = await rpc.get("Read?message=x&encoding=json")

    assert kept["cache-control"] == "private, max-age=60"
    assert "authorization" in kept["vary"]
    assert (by_post["cache-control"], failed["cache-control"]) == ("no-store", "no-store")


async def test_a_call_by_get_has_no_body(rpc: Opened) -> None:
    async with Wire(rpc.address) as wire:
        await wire.send(request("GET", f"{PATH}Read?message=%7B%7D&encoding=json", b"{}"))
        reply = await wire.reply()

    assert (reply.status, reason_of(reply.json)) == (400, "HTTP_MALFORMED")
