"""What protobuf's conformance runner talks to: our codec for JSON, protobuf itself for the binary side.

Run by test_protobuf_conformance.py: requests and responses come and go over
stdin and stdout, each with its length before it, until stdin ends. The
contract of them, and the messages that are tested, are in the descriptor set
that TESTEE_DESCRIPTORS names.
"""

import os
import struct
import sys
from pathlib import Path
from typing import Any

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from bedplate.errors import Refusal
from bedplate.gateway.beside import lenient_json
from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.codec.text import EncodeError

_LENGTH = struct.Struct("<I")

# What reads requests of the category that is to pass over unknown fields.
_LENIENT: dict[str, Any] = {"parse": lenient_json.parse, "reader": lenient_json.reader}


def pool_of(path: Path) -> descriptor_pool.DescriptorPool:
    """A pool of its own with the files of a descriptor set."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file:
        pool.Add(file)
    return pool


class Testee:
    """Answers requests of the runner."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool
        self._request: Any = self._class("conformance.ConformanceRequest")
        self._response: Any = self._class("conformance.ConformanceResponse")
        enums = pool.FindEnumTypeByName("conformance.WireFormat").values_by_name
        self._json, self._binary = enums["JSON"].number, enums["PROTOBUF"].number
        categories = pool.FindEnumTypeByName("conformance.TestCategory").values_by_name
        self._lenient = categories["JSON_IGNORE_UNKNOWN_PARSING_TEST"].number

    def _class(self, name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(name))

    def answer(self, data: bytes) -> bytes:
        """The response to one request."""
        request = self._request.FromString(data)
        made: bytes = self._response(**self._result(request)).SerializeToString()
        return made

    def _result(self, request: Any) -> dict[str, Any]:
        if request.message_type == "conformance.FailureSet":
            return {"protobuf_payload": b""}
        if request.requested_output_format not in (self._json, self._binary):
            return {"skipped": "only JSON and binary"}
        kind = request.WhichOneof("payload")
        if kind not in ("json_payload", "protobuf_payload"):
            return {"skipped": "only JSON and binary"}
        message_class = self._class(request.message_type)
        try:
            if kind == "protobuf_payload":
                message = message_class.FromString(request.protobuf_payload)
            else:
                lenient = request.test_category == self._lenient
                read = decoder(message_class, **(_LENIENT if lenient else {}))
                message = read(request.json_payload.encode())
        except (Refusal, DecodeError) as error:
            return {"parse_error": str(error)}
        if request.requested_output_format == self._binary:
            return {"protobuf_payload": message.SerializeToString()}
        try:
            return {"json_payload": orjson.dumps(encoder(message.DESCRIPTOR)(message)).decode()}
        except EncodeError as error:
            return {"serialize_error": str(error)}


def main() -> None:
    """Answer until the runner closes stdin."""
    testee = Testee(pool_of(Path(os.environ["TESTEE_DESCRIPTORS"])))
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    while length := requests.read(_LENGTH.size):
        made = testee.answer(requests.read(_LENGTH.unpack(length)[0]))
        responses.write(_LENGTH.pack(len(made)) + made)
        responses.flush()


if __name__ == "__main__":
    main()
