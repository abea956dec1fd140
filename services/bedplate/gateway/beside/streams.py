"""Methods with a stream of responses: as events, as lines, as one JSON list, or as raw bytes.

`text/event-stream`: an event for each response, event `end`; a failure midway
is event `error`. `application/x-ndjson`, `application/jsonl`, `*/*`: a line
`{"result": ...}` each, line `{"end": ...}`; a failure is line `{"error": ...}`.
`application/json`: a list, whose bracket is the end; on failure the connection
breaks off. google.api.HttpBody: its bytes, one after the other. A response that
has no JSON form is a failure like others: of the call, and logged as our fault.

A call that fails before its first response is answered as any other. Each form
tells an end from a connection that broke: a reader that saw no end has not
seen all. Lenient methods write lines as grpc-gateway does, without an end.
"""

import asyncio
import contextlib
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from bedplate.errors import Refusal, Violation
from bedplate.gateway import problem
from bedplate.gateway.beside import quality
from bedplate.gateway.beside.negotiate import JSON, best, check_accept, is_raw
from bedplate.gateway.beside.raw import DATA, media_type
from bedplate.gateway.beside.view import ALT
from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.codec.text import EncodeError, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response, Sink, header_lines
from bedplate.gateway.headers import call_lines
from bedplate.gateway.parameter import named, pairs
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import UnwritableError
from bedplate.pipeline.failure import Failure
from bedplate.telemetry.redact import scrub

# A caller hears that its call is accepted after this, though there is no response yet. Seconds.
HEAD_S = 0.5

# A line that says nothing, so that proxies and callers see that the connection lives. Seconds.
HEARTBEAT_S = 15.0

# Request and response fields that tell where a stream goes on.
RESUME = "resume_token"

# Under this note of a request is the form in which its responses are written.
FORM = "streams.form"


class Form:
    """How a stream of responses is written.

    Attributes:
        content_type: What it is.
        headers: Further headers.
        begin: What it begins with.
        beat: What says nothing between two responses; empty: there is no such thing.
    """

    content_type = ""
    headers: tuple[tuple[str, str], ...] = ()
    begin = b""
    beat = b""

    def result(self, body: bytes, message: Message) -> bytes:
        """A response."""
        raise NotImplementedError

    def end(self, count: int) -> bytes:
        """The end, after so many responses."""
        raise NotImplementedError

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        """The end of a call that failed; None: the connection breaks off."""
        raise NotImplementedError


class _Lines(Form):
    """JSON lines, each an object with one key that tells what it is."""

    content_type = "application/x-ndjson"

    def result(self, body: bytes, message: Message) -> bytes:
        return b'{"result":%b}\n' % _compact(body)

    def end(self, count: int) -> bytes:
        return b'{"end":{"count":%d}}\n' % count

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        return b'{"error":%b}\n' % problem.problem(failure, trace_id=trace_id).body


class _LenientLines(_Lines):
    """The same as grpc-gateway writes it."""

    content_type = "application/json"

    def end(self, count: int) -> bytes:
        return b""

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        status, details = failure.status, []
        for packed in status.details:
            with contextlib.suppress(EncodeError):  # a type that is not known here; the rest still tells
                details.append(encoder(packed.DESCRIPTOR)(packed))
        told = {"code": status.code, "message": status.message, "details": details}
        return orjson.dumps({"error": told}) + b"\n"


class _Events(Form):
    """Server-sent events (WHATWG HTML, 9.2)."""

    content_type = "text/event-stream"
    beat = b":\n\n"

    def __init__(self, *, resumes: bool) -> None:
        self._resumes = resumes

    def result(self, body: bytes, message: Message) -> bytes:
        token = getattr(message, RESUME) if self._resumes else ""
        # A line break in an id would end it and begin another field.
        plain = token and not any(c in token for c in "\r\n\0")
        number = b"id: %b\n" % token.encode() if plain else b""
        return b"%bdata: %b\n\n" % (number, _compact(body))

    def end(self, count: int) -> bytes:
        return b'event: end\ndata: {"count":%d}\n\n' % count

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        document = problem.problem(failure, trace_id=trace_id).body
        return b"event: error\ndata: %b\n\n" % document


class _List(Form):
    """One JSON list."""

    content_type = "application/json"
    begin = b"["

    def __init__(self) -> None:
        self._between = b"\n"

    def result(self, body: bytes, message: Message) -> bytes:
        between, self._between = self._between, b",\n"
        return between + body

    def end(self, count: int) -> bytes:
        return b"\n]"  # and no line end: Google's clients read what follows as another list

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        return None


class _Raw(Form):
    """The bytes of google.api.HttpBody, one after the other."""

    content_type = DATA

    def result(self, body: bytes, message: Message) -> bytes:
        return body

    def end(self, count: int) -> bytes:
        return b""

    def error(self, failure: Failure, trace_id: str) -> bytes | None:
        return None


def compile(endpoint: Endpoint) -> Feature | None:
    """For methods whose responses are a stream."""
    method = endpoint.method
    if not method.server_streaming:
        return None
    raw = is_raw(endpoint)
    goes_on = resumes(method.descriptor)
    lenient = method.policy.http.lenient

    alts = {f"${ALT}"} if lenient or named(method.descriptor.input_type, ALT) else {ALT, f"${ALT}"}

    def choose(request: Request) -> None:
        alt = _alt(request.query, alts)
        accept = request.headers.get("accept", "") if alt is None else alt
        request.notes[FORM] = _Raw() if raw else _choose(accept, goes_on, lenient)

    def resume(request: Request, message: Any) -> None:
        token = request.headers.get("last-event-id")
        if not token or not goes_on:
            return
        if getattr(message, RESUME):
            sentence = "The field stands in the request and in the header last-event-id; send one."
            raise refusal([Violation(RESUME, sentence, "http.twice")])
        # Browsers send the id in UTF-8 (WHATWG HTML, 9.2.3), and headers are read as Latin-1.
        setattr(message, RESUME, token.encode("latin-1").decode(errors="replace"))

    async def deliver(request: Request, call: Call, sink: Sink) -> None:
        await Delivery(endpoint, request, call, sink).run()

    return Feature("streams", body=choose, fill=resume, deliver=deliver)


def resumes(method: MethodDescriptor) -> bool:
    """Whether a reader can say where it was."""
    return _has_token(method.input_type) and _has_token(method.output_type)


def _has_token(descriptor: Descriptor) -> bool:
    field = descriptor.fields_by_name.get(RESUME)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _alt(query: str, names: set[str]) -> str | None:
    """The form that a parameter asks for, whatever is accepted; None: none does, or one that there is not."""
    if f"{ALT}=" not in query and "%" not in query:
        return None
    asked = next((text for name, text in pairs(query) if name in names), "")
    return _ALTS.get(asked.partition(";")[0])


def _choose(accept: str, resumes: bool, lenient: bool) -> Form:
    """The form that the caller likes best; of those that it likes alike the one that it names first.

    Raises:
        Refusal: NOT_ACCEPTABLE or HTTP_MALFORMED.
    """
    try:
        form = _liked(accept)
    except Refusal:
        if not lenient:
            raise
        form = _LINES  # grpc-gateway answers its usual form, whatever is accepted
    if form == _EVENTS:
        return _Events(resumes=resumes)
    if lenient:
        return _LenientLines()
    return _List() if form == JSON else _Lines()


def _liked(accept: str) -> str:
    first = check_accept(accept, _OFFERS)
    ranked = sorted(quality.choices(accept), key=lambda choice: -choice.quality)
    forms = (form for choice in ranked for form in _FORMS.get(choice.name, ()))
    # A range takes none of those that the caller excludes by their names.
    return next((form for form in forms if best(accept, (form,))), first)


_EVENTS, _LINES, _LINES_TOO = "text/event-stream", "application/x-ndjson", "application/jsonl"
_OFFERS = (_LINES, _LINES_TOO, _EVENTS, JSON)
_ALTS = {"json": JSON, "sse": _EVENTS}
_FORMS = {
    **{offer: (offer,) for offer in _OFFERS},
    **dict.fromkeys(("*", "*/*"), _OFFERS),
    "application/*": (_LINES, _LINES_TOO, JSON),
    "text/*": (_EVENTS,),
}


def _compact(body: bytes) -> bytes:
    """The JSON on one line: a caller may have asked for more."""
    return orjson.dumps(orjson.loads(body)) if b"\n" in body else body


class Delivery:
    """One call whose responses are written as they come."""

    def __init__(self, endpoint: Endpoint, request: Request, call: Call, sink: Sink) -> None:
        self._endpoint = endpoint
        self._request = request
        self._call = call
        self._sink = sink
        self._count = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle

    async def run(self) -> None:
        """Run it.

        Raises:
            Failure: It failed, and nothing was sent yet.
            asyncio.CancelledError: The door cancelled the call.
        """
        self._timer = self._loop.call_later(HEAD_S, self._beat)
        try:
            await self._endpoint.method.deliver(self._call, self._request, self._write)
        except Failure as failure:
            if not self._sink.started:
                raise
            last = self._form.error(failure, self._call.trace_id)
            if last is None:
                self._sink.cut()
            else:
                self._sink.send(last)
        else:
            self._start()
            self._sink.send(self._form.end(self._count))
        finally:
            self._timer.cancel()

    @property
    def _form(self) -> Form:
        form: Form = self._request.notes[FORM]
        return form

    async def _write(self, message: Message) -> None:
        try:
            body = (self._request.encode or self._endpoint.encode)(message)
            piece = self._form.result(body, message)
            self._start(message)
        except Exception as error:
            # The log must not tell what is secret in the response, and knows the request only.
            told = scrub(f"{type(error).__name__}: {error}", message)
            raise UnwritableError(told).with_traceback(error.__traceback__) from None
        self._count += 1
        await self._sink.write(piece)

    def _start(self, message: Any = None) -> None:
        if self._sink.started:
            return
        form = self._form
        content_type = form.content_type
        if isinstance(form, _Raw) and message is not None:
            name = self._endpoint.binding.response_body
            content_type = media_type((getattr(message, name) if name else message).content_type)
        # A proxy that gathers a response before it hands it on would hold events back.
        fields = header_lines(
            [
                ("content-type", content_type),
                ("cache-control", "no-store"),
                ("x-accel-buffering", "no"),
                *form.headers,
            ]
        )
        response = Response(200, fields + call_lines(self._call).encode("latin-1"), form.begin)
        for hook in self._endpoint.always:
            hook(self._request, response)
        self._sink.start(response)
        self._timer.cancel()
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        """Nothing was sent for a time: tell the caller that its call was taken, and lives."""
        if not self._sink.started and FORM in self._request.notes:
            self._start()
        elif self._sink.started:
            self._sink.send(self._form.beat)
            self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)
        else:
            self._timer = self._loop.call_later(HEAD_S, self._beat)
