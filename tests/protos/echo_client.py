"""A caller of the echo service that knows grpcio and nothing of ours."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from bedplate.testing.serve import KEY
from tests.protos.echo import SERVICE, EchoRequest, EchoResponse

WITH_KEY = (("authorization", f"Bearer {KEY}"),)
TIMEOUT_S = 20.0


@dataclass
class Refused(Exception):
    """How a call was refused."""

    code: str
    sentence: str
    status: status_pb2.Status
    trailers: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The ErrorInfo reason; empty when the answer has no details."""
        info = self.details.get("ErrorInfo")
        return info.reason if info else ""

    @property
    def fields(self) -> list[str]:
        """The fields that are wrong."""
        return [violation.field for violation in self.details["BadRequest"].field_violations]


def refused(error: grpc.RpcError) -> Refused:
    """What a grpcio error holds."""
    call: Any = error
    trailers = dict(call.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    details = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        detail = getattr(error_details_pb2, name)()
        packed.Unpack(detail)
        details[name] = detail
    return Refused(call.code().name, call.details(), status, trailers, details)


def raw(message: Any) -> bytes:
    """Bytes as they are, messages as bytes."""
    return message if isinstance(message, bytes) else message.SerializeToString()


class EchoClient:
    """Calls any method by its name."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = (
            grpc.aio.secure_channel(address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(address, options)
        )

    async def __aenter__(self) -> "EchoClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def begin(
        self, method: str, request: Any, *, timeout: float | None = TIMEOUT_S, metadata: Any = WITH_KEY
    ) -> Any:
        """Begin a call; awaited, or iterated, it answers."""
        descriptor = SERVICE.methods_by_name.get(method)
        streams = (descriptor.client_streaming, descriptor.server_streaming) if descriptor else (False, False)
        kind = "_".join("stream" if stream else "unary" for stream in streams)
        call = getattr(self.channel, kind)(
            f"/{SERVICE.full_name}/{method}",
            request_serializer=raw,
            response_deserializer=EchoResponse.FromString,
        )
        return call(request, timeout=timeout, metadata=metadata)

    async def call(self, method: str, request: Any, **options: Any) -> Any:
        """The response, or all of them; raises `Refused`."""
        try:
            begun = self.begin(method, request, **options)
            if (
                SERVICE.methods_by_name[method].server_streaming
                if method in SERVICE.methods_by_name
                else False
            ):
                return [response async for response in begun]
            return await begun
        except grpc.aio.AioRpcError as error:
            raise refused(error) from None

    async def refusal(self, method: str, request: Any, **options: Any) -> Refused:
        """How the call is refused."""
        try:
            answer = await self.call(method, request, **options)
        except Refused as error:
            return error
        raise AssertionError(f"was not refused: {answer}")


async def texts(*values: str, **fields: Any) -> AsyncIterator[Any]:
    """Requests with these texts."""
    for value in values:
        yield EchoRequest(text=value, **fields)


def texts_of(responses: Iterable[Any]) -> list[str]:
    """The texts of responses."""
    return [response.text for response in responses]
