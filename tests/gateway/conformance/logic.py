"""What the methods of the contract do, without knowing which server they run in."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.api import httpbody_pb2

from tests.gateway.conformance import contract

SHELVES = 7
PAGE_SIZE = 3
ETAG = "1"

# What a method with a bug says; no caller may ever read any of it.
SECRET = "postgresql://user:hunter2@10.1.2.3/shop"


class Refused(Exception):
    """A method's answer that is none of its responses.

    Attributes:
        code: The gRPC code's name.
        reason: Without its enum's prefix; empty: none is given.
        text: For people.
        retry_s: When to come back, seconds; None: nothing is said.
        field: The field that it is about; empty: none.
        facts: What a program may want to know.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        text: str,
        *,
        retry_s: float | None = None,
        field: str = "",
        facts: Mapping[str, str] = {},
    ) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.text = text
        self.retry_s = retry_s
        self.field = field
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Context:
    """What came with a call.

    Attributes:
        metadata: What the caller sent.
        remaining_s: What it has left, seconds; 0: no deadline came.
        set_header: Sends a response header.
        wait: Waits until the call is cancelled.
    """

    metadata: Mapping[str, str]
    remaining_s: float
    set_header: Callable[[str, str], None]
    wait: Callable[[], Any]


class Logic:
    """The methods by name. Keeps nothing but how many waits and orders there were."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()
        self._cancelled: Counter[str] = Counter()
        self._orders = 0

    async def answer(self, method: str, request: Any, context: Context) -> Any:
        """The response of a unary method.

        Raises:
            Refused: It refuses.
        """
        special = getattr(self, f"_{method.lower()}", None)
        if special is None:
            return seen(method, request, context)
        return await special(request, context)

    async def stream(self, method: str, request: Any, context: Context) -> AsyncIterator[Any]:
        """The responses of a method that streams them. Raises Refused as `answer`."""
        if method in ("DownloadStream", "DownloadPieces"):
            for number in range(request.pieces):
                data = bytes([number, 10, 255 - number])
                piece = httpbody_pb2.HttpBody(content_type=request.content_type, data=data)
                alone = method == "DownloadStream"
                yield piece if alone else contract.message("DownloadFieldResponse")(content=piece)
            return
        if method == "RenderEach":
            for message in request.messages:
                yield contract.message("Everything").FromString(message)
            return
        if method == "Resume":
            token = request.resume_token  # whatever a caller sends; what is no number begins anew
            after = int(token) if token.isascii() and token.isdecimal() and len(token) < 10 else 0
            for number in range(after + 1, request.to + 1):
                yield contract.message("ResumeResponse")(number=number, resume_token=str(number))
            return
        if "stay" in request.DESCRIPTOR.fields_by_name and request.stay:
            # Begun before the first response: whoever has the last may be gone before this goes on.
            self._begun[request.name] += 1
            try:
                async for made in self._count(method, request):
                    yield made
                await context.wait()
            finally:
                self._cancelled[request.name] += 1
            return
        async for made in self._count(method, request):
            yield made

    async def _count(self, method: str, request: Any) -> AsyncIterator[Any]:
        response = contract.message(f"{method}Response")
        told = request.DESCRIPTOR.fields_by_name
        for number in range(1, request.to + 1):
            if "fail_code" in told and request.fail_code and number > request.fail_after:
                raise refused(request.fail_code, "It was told to.")
            made = response(number=number)
            if method == "Count":
                made.to = request.to
            yield made

    async def _wait_for(self, name: str, context: Context) -> None:
        self._begun[name] += 1
        try:
            await context.wait()
        finally:
            self._cancelled[name] += 1

    async def _reflect(self, request: Any, context: Context) -> Any:
        return request

    _reflectunset = _reflectnumbers = _reflectnames = _reflect
    _wholetext = _wholenumber = _wholeobject = _wholevalue = _wholeany = _wholetime = _reflect

    async def _render(self, request: Any, context: Context) -> Any:
        return contract.message("Everything").FromString(request.message)

    async def _fail(self, request: Any, context: Context) -> Any:
        if request.bare:
            raise Refused(request.code, "", request.text)
        retry_s = request.retry_ms / 1000 if request.retry_ms else None
        facts = {"fact": request.fact} if request.fact else {}
        raise refused(
            request.code, request.text or "It was told to.", retry_s=retry_s, field=request.field, facts=facts
        )

    async def _break(self, request: Any, context: Context) -> Any:
        raise RuntimeError(SECRET)

    async def _wait(self, request: Any, context: Context) -> Any:
        await self._wait_for(request.name, context)

    async def _waits(self, request: Any, context: Context) -> Any:
        name = request.name
        return contract.message("WaitsResponse")(begun=self._begun[name], cancelled=self._cancelled[name])

    async def _headers(self, request: Any, context: Context) -> Any:
        for name, value in sorted(request.set.items()):
            context.set_header(name, value)
        return seen("Headers", request, context)

    async def _kept(self, request: Any, context: Context) -> Any:
        return contract.message("KeptResponse")(name=request.name)

    async def _large(self, request: Any, context: Context) -> Any:
        return contract.message("LargeResponse")(text="x" * request.bytes)

    async def _placeorder(self, request: Any, context: Context) -> Any:
        self._orders += 1
        return contract.message("PlaceOrderResponse")(number=self._orders, thing=request.thing)

    async def _download(self, request: Any, context: Context) -> Any:
        return httpbody_pb2.HttpBody(content_type=request.content_type, data=request.data)

    async def _downloadfield(self, request: Any, context: Context) -> Any:
        body = httpbody_pb2.HttpBody(content_type="text/plain", data=request.name.encode())
        return contract.message("DownloadFieldResponse")(content=body)

    async def _getshelf(self, request: Any, context: Context) -> Any:
        if request.id == "absent":
            raise Refused("NOT_FOUND", "SHELF_NOT_FOUND", "There is no such shelf.")
        return contract.message("GetShelfResponse")(shelf=shelf(request.id))

    async def _getbareshelf(self, request: Any, context: Context) -> Any:
        return contract.message("GetBareShelfResponse")(shelf=shelf(request.id))

    async def _getsign(self, request: Any, context: Context) -> Any:
        return contract.message("GetSignResponse")(text=f"To {request.id}")

    async def _listshelves(self, request: Any, context: Context) -> Any:
        token = request.page_token or "1"
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            raise Refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "This is no page.", field="page_token")
        begin = int(token)
        end = min(begin + (request.page_size or PAGE_SIZE), SHELVES + 1)
        shelves = [shelf(str(number)) for number in range(begin, end)]
        after = str(end) if end <= SHELVES else ""
        return contract.message("ListShelvesResponse")(shelves=shelves, next_page_token=after)

    async def _createshelf(self, request: Any, context: Context) -> Any:
        made = contract.message("Shelf")()
        made.CopyFrom(request.shelf)
        made.id = made.id or "new"
        made.etag = ETAG
        return contract.message("CreateShelfResponse")(shelf=made)

    async def _updateshelf(self, request: Any, context: Context) -> Any:
        check_etag(request.shelf.etag)
        return contract.message("UpdateShelfResponse")(
            shelf=shelf(request.shelf.id), seen=seen("UpdateShelf", request, context)
        )

    async def _deleteshelf(self, request: Any, context: Context) -> Any:
        check_etag(request.etag)
        return contract.message("DeleteShelfResponse")(seen=seen("DeleteShelf", request, context))


def seen(method: str, request: Any, context: Context) -> Any:
    """What a method was called with."""
    return contract.Seen(
        method=method,
        type=request.DESCRIPTOR.full_name,
        request=request.SerializeToString(deterministic=True),
        metadata=context.metadata,
        remaining_s=context.remaining_s,
    )


def refused(code: str, text: str, **more: Any) -> Refused:
    """A refusal with the reason that the contract has for a code."""
    return Refused(code, f"TOLD_{code}", text, **more)


def shelf(id: str) -> Any:
    """The shelf of an id."""
    made = contract.message("Shelf")(id=id, title=f"Shelf {id}", etag=ETAG, state="open", tags=["a", "b"])
    made.create_time.seconds = 1_790_000_000
    return made


def check_etag(etag: str) -> None:
    """Raises Refused: it is set and not that of a shelf."""
    if etag not in ("", ETAG):
        raise Refused("ABORTED", "ETAG_MISMATCH", "The shelf has changed; read it again.")
