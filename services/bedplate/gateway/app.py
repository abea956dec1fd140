"""The gateway: HTTP requests in, calls of the pipeline, HTTP responses out.

It knows no sockets. A door gives `open` the head of a request, which answers at
once or says how large the body may be, and `respond` the whole of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from google.protobuf.message import Message

from bedplate.contract.bindings import bindings
from bedplate.contract.policy import PolicyError, Visibility
from bedplate.errors import Kind, Refusal
from bedplate.gateway import problem
from bedplate.gateway.endpoint import CompileFeature, Endpoint, Served
from bedplate.gateway.exchange import Page, Request, Response, Sink, header_lines
from bedplate.gateway.headers import call_lines, metadata_of, timeout_s
from bedplate.gateway.routes import Match, Route, Routes, parse
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.unknown import LABEL
from bedplate.telemetry.recorder import Recorder, Telemetry

# Nobody keeps an answer that its contract does not say may be kept; see beside/cache_control.py.
_JSON_ONCE = "content-type: application/json\r\ncache-control: no-store\r\n"


class Gateway:
    """Serves methods as HTTP and JSON.

    Raises:
        PolicyError: Two bindings answer the same requests, or a binding does
            not fit its method. The text names them.
    """

    def __init__(
        self,
        methods: Iterable[Served],
        telemetry: Telemetry,
        *,
        pages: Mapping[str, Page] = {},
        features: Iterable[CompileFeature] = (),
        routes: Iterable[Route] = (),
    ) -> None:
        """Prepare the routes.

        Args:
            methods: All methods of the process; those without a rule, or not
                visible to partners, get no route.
            telemetry: Where calls are recorded.
            pages: What the process answers besides, by path, such as `/healthz`.
            features: What is done beside the core; see `gateway.beside`.
            routes: What else methods are called by; see `gateway.protocols`.
        """
        self._recorder = Recorder(telemetry, LABEL)
        self._failures = FailureMaker({}, domain="bedplate", strict=False)
        self._routes = Routes()
        for route in chain(_routes(methods, tuple(features)), routes):
            self._routes.add(route)
        self._pages = dict(pages)
        for path in self._pages:
            self._check_free(path)

    def _check_free(self, path: str) -> None:
        found = self._routes.match("GET", path)
        if isinstance(found, Match) and found.route.template.text == path:
            raise PolicyError(f"{found.route.place}: the path {path} is the server's own; choose another.")

    def open(self, request: Request) -> int | Response:
        """Find what a request is for: how many bytes its body may have, or the answer to it."""
        try:
            return self._open(request)
        except Refusal as refusal:
            return self.refuse(request, refusal, peer=request.peer)

    def _open(self, request: Request) -> int | Response:
        http_method = request.method
        own = self._pages.get(request.path)
        if own is not None:
            if http_method in ("GET", "HEAD"):
                return own(request)
            return self._other_method(request, frozenset({"GET", "HEAD"}))
        if http_method == "OPTIONS" and "access-control-request-method" in request.headers:
            return self._preflight(request, request.headers["access-control-request-method"])
        found = self._find(http_method, request.path)
        if isinstance(found, Match):
            endpoint: Endpoint = found.route.target
            request.target = endpoint
            request.values = found.values
            return endpoint.method.policy.request_bytes  # by now: operators may lower it
        return self._other_method(request, found)

    def _find(self, http_method: str, path: str) -> Match | frozenset[str]:
        """As `Routes.match`; a GET answers HEAD too, unless it streams: that would begin for nobody."""
        found = self._routes.match(http_method, path)
        if isinstance(found, Match) or "GET" not in found:
            return found
        got = self._routes.match("GET", path)
        if not isinstance(got, Match) or got.route.target.deliver is not None:
            return found
        return got if http_method == "HEAD" else found | {"HEAD"}

    def _other_method(self, request: Request, allow: frozenset[str]) -> Response:
        if not allow and request.path != "*":
            raise Refusal(
                Kind.NOT_FOUND,
                "ROUTE_NOT_FOUND",
                "There is nothing at this path; /reference shows what this server answers.",
            )
        listed = ", ".join(sorted({*allow, "OPTIONS"}))
        if request.method == "OPTIONS":
            return Response(204, header_lines([("allow", listed), ("cache-control", "no-store")]), b"")
        refusal = Refusal(
            Kind.UNSUPPORTED,
            "HTTP_METHOD_NOT_ALLOWED",
            f"This path does not answer {request.method}; use one of: {listed}.",
        )
        return self.refuse(request, refusal, peer=request.peer, fields=[("allow", listed)])

    def _preflight(self, request: Request, wanted: str) -> Response:
        """What a browser is told that asks if a page may make another request; it is never that request."""
        found = self._find(wanted, request.path)
        if not isinstance(found, Match):
            return self._other_method(request, found)
        hooks = found.route.target.preflights
        fields = [("cache-control", "no-store"), *(field for hook in hooks for field in hook(request))]
        return Response(204, header_lines(fields), b"")

    async def respond(self, request: Request) -> Response:
        """Run the call that a request is for; `open` found it and the body is in.

        Raises:
            asyncio.CancelledError: The door cancelled the call.
        """
        endpoint: Endpoint = request.target
        call = request.call = self._call(request, endpoint)
        try:
            call.requested_timeout_s = timeout_s(request.headers)
            message = await endpoint.method.unary(call, request)
        except Failure as failure:
            return self._answer(failure, call, request)
        except Refusal as refusal:  # of the headers, before the call
            return self._answer(endpoint.method.refuse(call, refusal), call, request)
        try:
            return self._reply(request, endpoint, call, message)
        except Refusal as refusal:  # a condition that only the answer can tell, such as if-match of a GET
            return self._answer(self._failures.from_exception(refusal, call), call, request)
        except Exception as error:  # a response that has no JSON form
            return self._answer(self._fault(call, error, message), call, request)

    async def deliver(self, request: Request, sink: Sink) -> Response | None:
        """Run a call whose responses are a stream, as `respond`; None: the sink has it all."""
        endpoint: Endpoint = request.target
        assert endpoint.deliver is not None, "the door asks `streams` first"
        call = request.call = self._call(request, endpoint)
        try:
            call.requested_timeout_s = timeout_s(request.headers)
        except Refusal as refusal:
            return self._answer(endpoint.method.refuse(call, refusal), call, request)
        try:
            await endpoint.deliver(request, call, sink)
        except Failure as failure:
            return self._answer(failure, call, request)
        except Exception as error:  # what is no failure of the call: a bug of ours
            fault = self._fault(call, error, None)
            if not sink.started:
                return self._answer(fault, call, request)
            sink.cut()
        return None

    def _reply(self, request: Request, endpoint: Endpoint, call: Call, message: Message) -> Response:
        body = (request.encode or endpoint.encode)(message)
        fields = (_JSON_ONCE + call_lines(call)).encode("latin-1")
        response = Response(200, fields, body, message)
        for hook in endpoint.replies:
            hook(request, response)
        for always in endpoint.always:
            always(request, response)
        return response

    def refuse(
        self,
        request: Request | None,
        refusal: Exception,
        *,
        peer: str = "",
        status: int = 0,
        fields: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """The answer to a request that does not become a call, or to what is no request (None); recorded.

        What is no `Refusal` is a fault of ours, and answered as such.
        """
        if request is not None and request.target is not None:
            endpoint: Endpoint = request.target
            call = self._call(request, endpoint)
            failure = endpoint.method.refuse(call, refusal)
        else:
            metadata = metadata_of(request.headers) if request is not None else {}
            call = Call(method=LABEL, door="http", decode=_nothing, peer=peer, metadata=metadata)
            self._recorder.begin(call)
            failure = self._failures.from_exception(refusal, call)
            self._recorder.end(call, failure.code, failure.reason, refusal if failure.fault else None)
        return self._answer(failure, call, request, status=status, fields=fields)

    def _call(self, request: Request, endpoint: Endpoint) -> Call:
        # By place, since names cost as much as the call. Its deadline counts from the
        # request's head, not from the end of a slow body.
        method, peer, names = endpoint.method.name, request.peer, request.names
        metadata = metadata_of(request.headers)
        return Call(method, "http", endpoint.decode, peer, metadata, None, False, names, request.started)

    def _answer(
        self,
        failure: Failure,
        call: Call,
        request: Request | None,
        *,
        status: int = 0,
        fields: Iterable[tuple[str, str]] = (),
    ) -> Response:
        response = problem.problem(failure, trace_id=call.trace_id, status=status, fields=fields)
        response.fields += call_lines(call).encode("latin-1")
        if request is not None and request.target is not None:
            endpoint: Endpoint = request.target
            for hook in endpoint.failures:
                hook(request, response, failure)
            for always in endpoint.always:
                always(request, response)
        return response

    def _fault(self, call: Call, error: Exception, message: Message | None) -> Failure:
        """The answer to a call that succeeded and whose response cannot be written; logged as a fault."""
        failure = self._failures.from_exception(error, call)
        self._recorder.fault(call, error, message)
        return failure


def is_served(method: Served) -> bool:
    """Whether a method has routes: one request, visible to partners or all, and with an http rule."""
    visible = method.policy.visibility is not Visibility.INTERNAL
    return visible and not method.client_streaming and any(bindings(method.descriptor))


def _routes(methods: Iterable[Served], features: tuple[CompileFeature, ...]) -> Iterator[Route]:
    for method in filter(is_served, methods):
        for binding in bindings(method.descriptor):
            try:
                template = parse(binding.path, tails=method.policy.http.lenient)
            except PolicyError as error:
                raise PolicyError(f"{method.name}: {error}") from None
            endpoint = Endpoint(method, binding, template, features)
            if method.server_streaming and endpoint.deliver is None:
                continue
            yield Route(binding.http_method, template, method.name, endpoint)


def _nothing(_: Any) -> Any:
    raise AssertionError("a request that became no call is not decoded")
