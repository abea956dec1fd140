"""Pages of a list as one iterator over its items."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

Item = TypeVar("Item")
Page = TypeVar("Page", bound=Message)


def next_request(request: Message, page: Any) -> Message | None:
    """The request of the page after this one; None after the last."""
    token: str = page.next_page_token
    if not token:
        return None
    following: Any = type(request)()
    following.CopyFrom(request)
    following.page_token = token
    return following  # type: ignore[no-any-return]


class AsyncPages(Generic[Item, Page]):
    """The items of a list, asked for page by page.

    `async for` gives the items; `pages` the responses; `page` only the one
    that the request asks for. Each page is a call with its own deadline.
    """

    def __init__(self, fetch: Callable[[Message], Awaitable[Page]], request: Message, items: str) -> None:
        self._fetch = fetch
        self._request = request
        self._items = items

    async def page(self) -> Page:
        """The one page that the request asks for."""
        return await self._fetch(self._request)

    async def pages(self) -> AsyncIterator[Page]:
        """All pages, from the one that the request asks for."""
        request: Message | None = self._request
        while request is not None:
            page = await self._fetch(request)
            yield page
            request = next_request(request, page)

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in getattr(page, self._items):
                yield item


class Pages(Generic[Item, Page]):
    """The items of a list, asked for page by page; see `AsyncPages`."""

    def __init__(self, fetch: Callable[[Message], Page], request: Message, items: str) -> None:
        self._fetch = fetch
        self._request = request
        self._items = items

    def page(self) -> Page:
        """The one page that the request asks for."""
        return self._fetch(self._request)

    def pages(self) -> Iterator[Page]:
        """All pages, from the one that the request asks for."""
        request: Message | None = self._request
        while request is not None:
            page = self._fetch(request)
            yield page
            request = next_request(request, page)

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from getattr(page, self._items)
