"""The codec and protobuf's own json_format say the same of every valid message."""

import json
from random import Random
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings

from bedplate.gateway.codec.decode import decode_message, decoder
from bedplate.gateway.codec.encode import Options, encode_message, encoder
from bedplate.ledger.v1 import ledger_pb2
from tests.gateway.everything import EVERYTHING, Everything, messages
from tests.gateway.json_cost import batch, costs, payment
from tests.gateway.plans import lenient_decoder
from tests.gateway.random_types import random_message, random_types


def plain(message: Any) -> bytes:
    """Comparable bytes: a NaN equals no NaN, but has the same bytes."""
    return bytes(message.SerializeToString(deterministic=True))


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(message=messages(EVERYTHING))
def test_codec_and_json_format_write_the_same_and_read_what_the_other_wrote(message):
    written = encode_message(message)
    theirs = json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False)

    assert json.loads(written) == json_format.MessageToDict(message)
    assert plain(decode_message(written, Everything)) == plain(message)
    assert plain(json_format.Parse(written, Everything())) == plain(message)
    assert plain(decode_message(theirs.encode(), Everything)) == plain(message)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(message=messages(EVERYTHING))
def test_unset_fields_are_written_on_request_as_json_format_writes_them(message):
    written = encoder(EVERYTHING, Options(unset=True))(message)

    assert written == json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert plain(decode_message(orjson.dumps(written), Everything)) == plain(message)


@pytest.mark.parametrize(
    "descriptor", ledger_pb2.DESCRIPTOR.message_types_by_name.values(), ids=lambda d: d.name
)
def test_messages_of_the_ledger_survive_the_way_to_json_and_back(descriptor):
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(message=messages(descriptor))
    def check(message):
        assert decode_message(encode_message(message), type(message)) == message

    check()


@pytest.mark.parametrize("message", [payment(), batch()], ids=["payment", "batch"])
def test_codec_costs_less_than_a_quarter_of_json_format(message):
    taken = costs(message, calls=200)

    assert taken["encode"] * 4 < taken["encode, json_format"]
    assert taken["decode"] * 4 < taken["decode, json_format"]


def canonical(pool: Any, message: Any) -> Any:
    """Comparable text of a message; the bytes of an Any hold maps in any order, so bytes are not."""
    return json.dumps(json_format.MessageToDict(message, descriptor_pool=pool), sort_keys=True)


def alike(ours: Any, theirs: Any) -> bool:
    """Whether two documents say the same: a free 1 is written as 1, where json_format writes 1.0."""
    if type(ours) is dict and type(theirs) is dict:
        return list(ours) == list(theirs) and all(alike(ours[key], theirs[key]) for key in ours)
    if type(ours) is list and type(theirs) is list:
        return len(ours) == len(theirs) and all(map(alike, ours, theirs))
    without_point = type(ours) is int and type(theirs) is float
    return ours == theirs and (type(ours) is type(theirs) or without_point)


def agree(seed: int, messages_of_each: int) -> None:
    """Fail when codec and json_format differ for messages of one pool of random types."""
    random = Random(seed)
    for descriptor in random_types(random):
        kind, pool = GetMessageClass(descriptor), descriptor.file.pool
        read, soft, write = decoder(kind), lenient_decoder(kind), encoder(descriptor)
        for _ in range(messages_of_each):
            message = random_message(random, descriptor)
            written = orjson.dumps(write(message))
            theirs = json_format.MessageToDict(message, descriptor_pool=pool)
            by_proto_name = json_format.MessageToJson(
                message, descriptor_pool=pool, preserving_proto_field_name=True
            ).encode()
            same = canonical(pool, message)

            assert alike(json.loads(written), json.loads(json.dumps(theirs))), seed
            assert canonical(pool, read(written)) == same, seed
            assert canonical(pool, read(by_proto_name)) == same, seed
            assert canonical(pool, soft(written)) == same, seed
            assert canonical(pool, json_format.Parse(written, kind(), descriptor_pool=pool)) == same, seed


def test_codec_and_json_format_agree_on_random_messages_of_random_types_in_pools_of_their_own():
    for seed in range(40):
        agree(seed, messages_of_each=5)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_codec_and_json_format_agree_on_a_hundred_thousand_random_messages():
    for seed in range(1_000, 2_000):
        agree(seed, messages_of_each=20)
