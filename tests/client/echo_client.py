"""Clients of the test contract `tests.echo.v1`, as the generator would write them."""

from collections.abc import AsyncIterable, Iterable
from typing import Any

from bedplate.client import AsyncClient, AsyncStream, Client, Stream
from tests.protos import echo


class AsyncEchoClient(AsyncClient):
    """For asyncio."""

    SERVICE = echo.SERVICE

    async def echo(
        self, request: Any = None, *, text: str | None = None, timeout_s: float | None = None
    ) -> Any:
        return await self._unary("Echo", request, {"text": text}, timeout_s)

    def repeat(
        self, *, text: str | None = None, times: int | None = None, timeout_s: float | None = None
    ) -> AsyncStream[Any]:
        return self._stream("Repeat", None, {"text": text, "times": times}, timeout_s)

    async def collect(
        self, requests: AsyncIterable[Any] | Iterable[Any], *, timeout_s: float | None = None
    ) -> Any:
        return await self._collect("Collect", requests, timeout_s)

    def chat(
        self, requests: AsyncIterable[Any] | Iterable[Any], *, timeout_s: float | None = None
    ) -> AsyncStream[Any]:
        return self._converse("Chat", requests, timeout_s)


class EchoClient(Client):
    """For plain code."""

    SERVICE = echo.SERVICE

    def echo(self, request: Any = None, *, text: str | None = None, timeout_s: float | None = None) -> Any:
        return self._unary("Echo", request, {"text": text}, timeout_s)

    def repeat(
        self, *, text: str | None = None, times: int | None = None, timeout_s: float | None = None
    ) -> Stream[Any]:
        return self._stream("Repeat", None, {"text": text, "times": times}, timeout_s)

    def collect(self, requests: Iterable[Any], *, timeout_s: float | None = None) -> Any:
        return self._collect("Collect", requests, timeout_s)

    def chat(self, requests: Iterable[Any], *, timeout_s: float | None = None) -> Stream[Any]:
        return self._converse("Chat", requests, timeout_s)
