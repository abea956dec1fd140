"""How an endpoint of Connect and gRPC-Web reads requests and writes answers; all else is as everywhere.

The hooks of one request find in its notes how it is written. A request that is
refused before its body is looked at has none: its content type tells then.
"""

import base64
from typing import Any

import orjson
from google.protobuf.message import Message

from bedplate.contract.bindings import Binding
from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings, streams
from bedplate.gateway.beside.compress import holds_secrets
from bedplate.gateway.beside.lenient import LenientPlan
from bedplate.gateway.beside.negotiate import tell
from bedplate.gateway.endpoint import CompileFeature, Endpoint, Feature
from bedplate.gateway.exchange import Request, Response, Sink
from bedplate.gateway.problem import http_status
from bedplate.gateway.protocols import dialect as dialects
from bedplate.gateway.protocols import envelope, query
from bedplate.gateway.protocols.dialect import CONNECT, DIALECTS, Dialect
from bedplate.gateway.protocols.named import Named
from bedplate.gateway.protocols.told import (
    binary_lines,
    connect_end,
    connect_error,
    grpc_trailers,
    trailer_lines,
)
from bedplate.gateway.transcode import Plan
from bedplate.pipeline.call import Call
from bedplate.pipeline.ends import TRAILER
from bedplate.pipeline.failure import Failure

_NOTE = "protocols.dialect"
_JSON = DIALECTS["application/json"]


def reads(compress_bytes: int) -> CompileFeature:
    """The feature that reads requests and writes responses; those of so many bytes compressed, 0: none."""

    def compile(endpoint: Endpoint) -> Feature:
        method = endpoint.method
        whole = Binding("POST", endpoint.binding.path, "*", "")
        plan = _LenientPlan if method.policy.http.lenient else _Plan
        endpoint.plan = plan(method.descriptor, whole, endpoint.template)
        return _Exchange(endpoint, compress_bytes).feature()

    return compile


def fails(endpoint: Endpoint) -> Feature:
    """The feature that tells failures, the last one: others look at problems."""
    stream = endpoint.method.server_streaming
    always_json = endpoint.binding.http_method == "GET"

    def failed(request: Request, response: Response, failure: Failure) -> None:
        dialect: Dialect | None = request.notes.get(_NOTE)
        if dialect is None:
            dialect = _JSON if always_json else dialects.find(request.headers.get("content-type", ""))
        if dialect is not None and dialect.serves(stream=stream):
            _tell(request, response, failure, dialect)
        tell(request, response, failure)

    return Feature("protocols.fails", failed=failed, always=_tell_binary)


def _tell_binary(request: Request, response: Response) -> None:
    """HTTP and JSON know no headers of bytes."""
    call = request.call
    if call is not None and call.response_headers:
        response.fields += binary_lines(call).encode("latin-1")


class _Binary:
    """A plan whose requests may also be protobuf's bytes."""

    _class: Any

    def decode(self, request: Request) -> Message:
        dialect: Dialect = request.notes[_NOTE]
        if dialect.json:
            message: Message = super().decode(request)  # type: ignore[misc]
        else:
            message = self._class.FromString(request.body)
        return message


class _Plan(_Binary, Plan):
    pass


class _LenientPlan(_Binary, LenientPlan):
    pass


class _Exchange:
    """The hooks of one endpoint."""

    def __init__(self, endpoint: Endpoint, compress_bytes: int) -> None:
        self._endpoint = endpoint
        method = endpoint.method
        assert isinstance(method, Named), "routes makes it so"
        self._method = method
        self._stream = method.server_streaming
        self._gets = endpoint.binding.http_method == "GET"
        self._lenient = method.policy.http.lenient
        self._compress_bytes = 0 if holds_secrets(method.descriptor.output_type) else compress_bytes

    def feature(self) -> Feature:
        if self._stream:
            return Feature("protocols", body=self._prepare, deliver=self._deliver)
        return Feature("protocols", body=self._prepare, reply=self._reply)

    def _prepare(self, request: Request) -> None:
        """Make of the body the message's bytes, and note how the answer is to be written."""
        limit = self._method.request_bytes
        if self._gets:
            dialect, body = query.read(request, limit, lenient=self._lenient)
            request.notes[_NOTE] = dialect
            request.body, request.query = body, ""
        else:
            dialect = dialects.of(request, stream=self._stream)
            request.notes[_NOTE] = dialect
            self._check(request, dialect)
            request.body = envelope.message(request, dialect, limit)
        if not dialect.json:
            request.encode = _to_bytes
        if self._stream:
            answer = dialects.answers(request, dialect)
            coding = self._coding(request, answer)
            request.notes[streams.FORM] = _Enveloped(request, answer, coding, self._compress_bytes)

    def _check(self, request: Request, dialect: Dialect) -> None:
        version = request.headers.get("connect-protocol-version", "1")
        if dialect.protocol == CONNECT and version != "1":
            raise Refusal(
                Kind.INVALID, "HTTP_MALFORMED", "The header connect-protocol-version must be 1, or left out."
            )
        if request.query:
            if not self._lenient:
                raise Refusal(
                    Kind.INVALID, "HTTP_MALFORMED", "All of the request is its body; send it without a query."
                )
            request.query = ""
        envelope.check(request, dialect)

    def _coding(self, request: Request, answer: Dialect) -> codings.Coding | None:
        return envelope.coding_for(request, answer) if self._compress_bytes else None

    def _reply(self, request: Request, response: Response) -> None:
        dialect = dialects.answers(request, request.notes[_NOTE])
        if dialect is not _JSON:
            response.set("content-type", dialect.content_type)
        call = request.call
        if not dialect.enveloped:
            response.fields += _prefixed(trailer_lines(call))
            return
        coding = self._coding(request, dialect)
        if coding is not None:
            response.add(dialect.encoding_header, coding.name)
        first = envelope.coded(response.body, coding, self._compress_bytes)
        end = envelope.frame(envelope.TRAILERS, grpc_trailers(call, None))
        response.body = _as_sent(first + end, dialect)

    async def _deliver(self, request: Request, call: Call, sink: Sink) -> None:
        await streams.Delivery(self._endpoint, request, call, sink).run()


class _Enveloped(streams.Form):
    """A stream of messages with their lengths before them, and an end that tells how the call ended."""

    def __init__(
        self, request: Request, dialect: Dialect, coding: codings.Coding | None, at_least: int
    ) -> None:
        self._request = request
        self._dialect = dialect
        self._coding = coding
        self._at_least = at_least
        self.content_type = dialect.content_type
        self.headers = ((dialect.encoding_header, coding.name),) if coding is not None else ()

    def result(self, body: bytes, message: Message) -> bytes:
        return _as_sent(envelope.coded(body, self._coding, self._at_least), self._dialect)

    def end(self, count: int) -> bytes:
        return _end(self._request, self._dialect, None)

    def error(self, failure: Failure, trace_id: str) -> bytes:
        return _end(self._request, self._dialect, failure)


def _end(request: Request, dialect: Dialect, failure: Failure | None) -> bytes:
    if dialect.protocol == CONNECT:
        last = envelope.frame(envelope.END, connect_end(request.call, failure))
    else:
        last = envelope.frame(envelope.TRAILERS, grpc_trailers(request.call, failure))
    return _as_sent(last, dialect)


def _tell(request: Request, response: Response, failure: Failure, dialect: Dialect) -> None:
    if not dialect.enveloped:
        response.status = http_status(failure.code, "", "")
        response.set("content-type", "application/json")
        response.fields += _prefixed(trailer_lines(request.call))
        response.body = orjson.dumps(connect_error(failure))
        return
    answer = dialects.answers(request, dialect)
    response.status = 200  # HTTP did its work: what failed is the call, and its end tells that
    response.set("www-authenticate", "")
    response.set("content-type", answer.content_type)
    response.body = _end(request, answer, failure)


def _prefixed(lines: str) -> bytes:
    return "".join([f"{TRAILER}{line}\r\n" for line in lines.splitlines()]).encode("latin-1")


def _as_sent(data: bytes, dialect: Dialect) -> bytes:
    return base64.b64encode(data) if dialect.text else data


def _to_bytes(message: Message) -> bytes:
    return message.SerializeToString()
