"""Contracts as a server tells them by itself: gRPC reflection, v1 or else v1alpha."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2

from bedplate.gateway.elsewhere.descriptors import (
    PLUMBING,
    Contracts,
    DescriptorError,
    UnreachableError,
    build,
    parse_file,
)

# The messages of both versions are the same on the wire.
_METHODS = (
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)

# Reading the contracts takes at most so long, and so much. Seconds, files, bytes.
ASK_S = 20.0
FILES_MAX = 5_000
BYTES_MAX = 128 * 1024 * 1024

# The package's types do not know all of its messages.
pb: Any = reflection_pb2


async def read_reflection(channel: grpc.aio.Channel, *, target: str) -> Contracts:
    """The contracts of the server behind a channel.

    Args:
        channel: An open channel.
        target: Where it leads, for errors.

    Raises:
        UnreachableError: Nobody answers there.
        DescriptorError: It does not tell its contracts, or they cannot be used.
    """
    try:
        async with asyncio.timeout(ASK_S):
            for method in _METHODS:
                try:
                    return await _Reading(channel, method, target).run()
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                        raise _failed(error, target) from None
    except TimeoutError:
        raise DescriptorError(
            f"{target} did not tell its contracts within {ASK_S:g} s; give them by --descriptors."
        ) from None
    raise DescriptorError(
        f"{target} has no reflection; switch it on there, or give its contracts by --descriptors."
    )


def _failed(error: grpc.aio.AioRpcError, target: str) -> DescriptorError:
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return UnreachableError(f"{target} does not answer: {error.details()}.")
    return DescriptorError(
        f"{target} does not tell its contracts ({error.code().name}: {error.details()}); give them by "
        "--descriptors."
    )


class _Reading:
    """One conversation with a server."""

    def __init__(self, channel: grpc.aio.Channel, method: str, target: str) -> None:
        self._target = target
        self._files: dict[str, Any] = {}
        self._bytes = 0
        self._questions: asyncio.Queue[Any] = asyncio.Queue()
        start: Any = channel.stream_stream(
            method,
            request_serializer=pb.ServerReflectionRequest.SerializeToString,
            response_deserializer=pb.ServerReflectionResponse.FromString,
        )
        self._call = start(self._asked(), timeout=ASK_S)

    async def _asked(self) -> AsyncIterator[Any]:
        while (question := await self._questions.get()) is not None:
            yield question

    async def run(self) -> Contracts:
        try:
            listed = await self._ask(list_services="*")
            names = [service.name for service in listed.list_services_response.service]
            for name in names:
                if not name.startswith(PLUMBING):
                    await self._take(name, file_containing_symbol=name)
            await self._complete()
        finally:
            self._questions.put_nowait(None)
            self._call.cancel()
        return build(self._files, where=self._target, names=names)

    async def _ask(self, **question: str) -> Any:
        self._questions.put_nowait(pb.ServerReflectionRequest(**question))
        answer = await self._call.read()
        if answer is grpc.aio.EOF:
            code, details = await self._call.code(), await self._call.details()
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)
        return answer

    async def _take(self, what: str, **question: str) -> None:
        answer = await self._ask(**question)
        if not answer.HasField("file_descriptor_response"):
            why = answer.error_response.error_message or "it answers something else"
            raise DescriptorError(f"{self._target} does not tell the contract of {what}: {why}.")
        for data in answer.file_descriptor_response.file_descriptor_proto:
            self._bytes += len(data)
            file = parse_file(data)
            self._files.setdefault(file.name, file)
        if len(self._files) > FILES_MAX or self._bytes > BYTES_MAX:
            raise DescriptorError(
                f"{self._target} tells more than {FILES_MAX} files or {BYTES_MAX} bytes of contracts; give "
                "those that are to be served by --descriptors."
            )

    async def _complete(self) -> None:
        """Ask for the imports that did not come along: not every server sends them."""
        asked: set[str] = set()
        while (
            missing := {
                name for file in self._files.values() for name in file.dependency if name not in self._files
            }
            - asked
        ):
            for name in sorted(missing):
                asked.add(name)
                try:
                    await self._take(name, file_by_filename=name)
                except DescriptorError:
                    continue  # it may be one that this process has; if not, it is named later
