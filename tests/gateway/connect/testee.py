"""What connectrpc's conformance runner talks to: its service behind our HTTP door.

Run by test_connect_conformance.py: what to serve comes over stdin and where it
is served goes to stdout, each with its length before it; SIGTERM ends it. The
contract is in the descriptor set that TESTEE_DESCRIPTORS names.

Two things are not as everywhere. The runner sends a header of its own and wants
it back: no caller's header reaches a handler that is not on the gateway's list,
so this process has one more on it. And it wants no details in errors that it
did not ask for: ours always have their reason there, which is left out here.
"""

import asyncio
import os
import signal
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from google.api import annotations_pb2  # noqa: F401
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2, struct_pb2, text_format  # noqa: F401
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from bedplate.gateway import exchange, headers

ECHOED = "x-conformance-test"
exchange.HEADERS_LISTED |= {ECHOED}
exchange.HEADERS_READ |= {ECHOED}
headers.METADATA += (ECHOED,)  # type: ignore[assignment]

# ruff: noqa: E402 - the door reads these lists when it is imported
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure, make_status
from bedplate.pipeline.stage import OpenGate, Parts
from bedplate.quota.address import AddressBudget
from bedplate.quota.quota import Quota
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.http import HttpDoor
from bedplate.v1 import policy_pb2  # noqa: F401

PACKAGE = "connectrpc.conformance.v1"
SERVED = ("Unary", "ServerStream", "IdempotentUnary")
# The reason of failures that the runner asked for.
ASKED = "CONFORMANCE"
REQUEST_BYTES = 1024 * 1024

_LENGTH = struct.Struct(">I")


def service_of(files: descriptor_pb2.FileDescriptorSet, limit: int) -> Any:
    """The service's descriptor, with a policy and rules; requests may have so many bytes."""
    pool = descriptor_pool.Default()
    for file in files.file:
        if file.package == PACKAGE:
            for method in (method for service in file.service for method in service.method):
                if method.name in SERVED:
                    text_format.Merge(_options(method.name, limit), method.options)
                else:
                    text_format.Merge("[bedplate.v1.policy] { auth { anonymous: true } }", method.options)
            pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(f"{PACKAGE}.ConformanceService")


def _options(name: str, limit: int) -> str:
    return (
        f'[google.api.http] {{ post: "/conformance/{name}" body: "*" }} [bedplate.v1.policy] {{ '
        f"auth {{ anonymous: true }} visibility: VISIBILITY_PUBLIC limits {{ request_bytes: {limit} }} "
        "deadline { default { seconds: 10 } max { seconds: 30 } } }"
    )


class Handlers:
    """Answer as each request's response definition says."""

    def __init__(self, service: Any) -> None:
        self._payload = _class("ConformancePayload")
        for name, make in (("Unary", self._unary), ("IdempotentUnary", self._unary)):
            setattr(self, name, make(service.methods_by_name[name]))
        self.ServerStream = self._stream(service.methods_by_name["ServerStream"])

    async def Unimplemented(self, request: Any, call: Call) -> Any:
        """Never called: the method is visible to nobody."""
        raise AssertionError(call.method)

    async def ClientStream(self, request: Any, call: Call) -> Any:
        """The same."""
        raise AssertionError(call.method)

    async def BidiStream(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """The same."""
        raise AssertionError(call.method)
        yield

    def _unary(self, method: Any) -> Any:
        answer_class = GetMessageClass(method.output_type)

        async def answer(request: Any, call: Call) -> Any:
            wanted = request.response_definition
            _tell(wanted, call)
            await asyncio.sleep(wanted.response_delay_ms / 1000)
            info = self._info(request, call)
            if wanted.HasField("error"):
                raise _failure(wanted.error, info)
            return answer_class(payload=self._payload(data=wanted.response_data, request_info=info))

        return answer

    def _stream(self, method: Any) -> Any:
        answer_class = GetMessageClass(method.output_type)

        async def answer(request: Any, call: Call) -> AsyncIterator[Any]:
            wanted = request.response_definition
            _tell(wanted, call)
            info = self._info(request, call)
            for data in wanted.response_data:
                await asyncio.sleep(wanted.response_delay_ms / 1000)
                yield answer_class(payload=self._payload(data=data, request_info=info))
                info = None
            if wanted.HasField("error"):
                raise _failure(wanted.error, info)

        return answer

    def _info(self, request: Message, call: Call) -> Any:
        packed = AnyMessage()
        packed.Pack(request)
        info = self._payload.RequestInfo(requests=[packed])
        if call.requested_timeout_s is not None:
            info.timeout_ms = round(call.requested_timeout_s * 1000)
        echoed = call.metadata.get(ECHOED)
        if echoed:
            info.request_headers.add(name=ECHOED, value=str(echoed).split(", "))
        return info


def _tell(wanted: Any, call: Call) -> None:
    for header in wanted.response_headers:
        call.response_headers.extend((header.name.lower(), value) for value in header.value)
    for header in wanted.response_trailers:
        call.response_headers.extend((f"trailer-{header.name.lower()}", value) for value in header.value)


def _failure(error: Any, info: Message | None) -> Failure:
    status: Any = make_status(code_pb2.Code.Name(error.code), error.message, [])
    status.details.extend(error.details)
    if info is not None:
        packed = AnyMessage()
        packed.Pack(info)
        status.details.append(packed)
    return Failure(status, reason=ASKED)


def _class(name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))


async def serve(wanted: Any, service: Any, folder: Path) -> None:
    """Listen, say where, and answer until SIGTERM."""
    given: dict[str, Any] = {}
    if wanted.use_tls:
        for name, text in (
            ("tls_certificate", wanted.server_creds.cert),
            ("tls_key", wanted.server_creds.key),
            ("tls_client_ca", wanted.client_tls_cert),
        ):
            if text:
                given[name] = folder / f"{name}.pem"
                given[name].write_bytes(text)
                given[name].chmod(0o600)
    settings = Settings(http_address="127.0.0.1:0", address_rate=0, **given)
    with open(os.devnull, "wb") as log:
        telemetry = Telemetry(log=LogWriter(log))
        quota = Quota(addresses=AddressBudget(settings.address_rate, settings.address_burst))
        parts = Parts(authenticator=_Nobody(), settings=settings, gate=OpenGate(), quota=quota)
        methods = methods_of(
            Service("conformance", service, Handlers(service)), parts, telemetry, strict=True
        )
        bare: Any = {name: _Bare(method) for name, method in methods.items()}
        door = HttpDoor(bare, settings, telemetry, lambda: True)
        await door.start()
        port = int(door.address.rpartition(":")[2])
        cert = wanted.server_creds.cert if wanted.use_tls else b""
        response = _class("ServerCompatResponse")(host="127.0.0.1", port=port, pem_cert=cert)
        data = response.SerializeToString()
        sys.stdout.buffer.write(_LENGTH.pack(len(data)) + data)
        sys.stdout.buffer.flush()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        await door.stop(0)


class _Bare:
    """A method whose failures have those details only that the runner asked for."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self.name, self.descriptor, self.policy = method.name, method.descriptor, method.policy
        self.client_streaming, self.server_streaming = method.client_streaming, method.server_streaming

    async def unary(self, call: Call, payload: Any) -> Message:
        try:
            return await self._method.unary(call, payload)
        except Failure as failure:
            raise _bare(failure) from None

    async def deliver(self, call: Call, payload: Any, write: Any) -> None:
        try:
            await self._method.deliver(call, payload, write)
        except Failure as failure:
            raise _bare(failure) from None

    def refuse(self, call: Call, error: Exception) -> Failure:
        return _bare(self._method.refuse(call, error))


def _bare(failure: Failure) -> Failure:
    if failure.reason not in (ASKED, "CONTENT_TYPE_UNSUPPORTED"):  # which is told as a problem
        del failure.status.details[:]
    return failure


class _Nobody:
    """Knows no key; no method asks for one."""

    def authenticate(self, credential: str) -> Any:
        raise AssertionError(credential)


def main() -> None:
    """Read what to serve, and serve it."""
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(os.environ["TESTEE_DESCRIPTORS"]).read_bytes())
    # Twice: what is wanted tells the policy, and is itself a message of the contract.
    own = descriptor_pool.DescriptorPool()
    for file in files.file:
        own.Add(file)
    request_class = GetMessageClass(own.FindMessageTypeByName(f"{PACKAGE}.ServerCompatRequest"))
    (size,) = _LENGTH.unpack(sys.stdin.buffer.read(_LENGTH.size))
    wanted: Any = request_class.FromString(sys.stdin.buffer.read(size))
    service = service_of(files, wanted.message_receive_limit or REQUEST_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(serve(wanted, service, Path(folder)))


if __name__ == "__main__":
    main()
