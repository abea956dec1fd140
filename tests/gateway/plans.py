"""Plans of bindings of any message, without a service around them."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.bindings import Binding
from bedplate.contract.promises import Http
from bedplate.gateway.beside import lenient_json
from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.exchange import Request
from bedplate.gateway.routes import parse
from bedplate.gateway.transcode import Plan
from tests.gateway.everything import EVERYTHING

M = TypeVar("M", bound=Message)


def method_of(request: Any = EVERYTHING, response: Any = EVERYTHING, **http: Any) -> Any:
    """As much of a method as a plan needs."""
    return SimpleNamespace(
        name="tests.v1.Service/Method",
        descriptor=SimpleNamespace(
            name="Method",
            containing_service=SimpleNamespace(full_name="tests.v1.Service"),
            input_type=request,
            output_type=response,
        ),
        request_class=GetMessageClass(request),
        server_streaming=False,
        policy=SimpleNamespace(http=Http(**http), request_bytes=2**20),
    )


def lenient_decoder(message_class: type[M]) -> Callable[[bytes], M]:
    """As `decoder`, for documents as lenient methods take them."""
    return decoder(message_class, parse=lenient_json.parse, reader=lenient_json.reader)


def plan(
    http_method: str = "GET", path: str = "/v1", body: str = "", response_body: str = "", made: type = Plan
) -> Any:
    """A plan of a binding of Everything."""
    binding = Binding(http_method, path, body, response_body)
    return made(method_of().descriptor, binding, parse(path))


def request(*values: str, query: str = "", body: Any = None, **headers: str) -> Request:
    """A request; a body that is no bytes is sent as JSON."""
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    made = Request("POST", "/", query, sent, peer="", started=0.0)
    made.values = values
    if body is not None:
        made.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return made
