"""What bytes from outside reach: functions of bytes that fail when anything but a refusal comes out."""

import time
from collections.abc import Callable
from contextlib import suppress

from google.protobuf.message import DecodeError

from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from bedplate.gateway import routes
from bedplate.gateway.codec.decode import decoder
from bedplate.gateway.codec.encode import encode_message
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.exchange import Request, Response
from bedplate.gateway.protocols.query import read as by_query
from bedplate.pipeline.stage import OpenGate
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.gateway import shop
from tests.gateway.everything import Everything
from tests.gateway.http_door import Log
from tests.transport.readings import readings

# Nothing that is as short as what is tried here may take longer. Seconds.
PATIENCE_S = 5.0

_decode = decoder(Everything)


def codec(data: bytes) -> None:
    """A JSON document becomes a message that is written and read as the same one, or is refused."""
    try:
        message = _decode(data)
    except Refusal:
        return
    try:
        written = encode_message(message)
    except ValueError:  # an Any of a type whose value has no JSON form
        return
    assert _decode(written).SerializeToString(deterministic=True) == message.SerializeToString(
        deterministic=True
    )


def template(data: bytes) -> None:
    """A path template is read or refused."""
    try:
        routes.parse(data.decode("latin-1"))
    except PolicyError:
        return


class _Shop:
    """The shop's gateway, without a door."""

    def __init__(self) -> None:
        from bedplate.gateway.app import Gateway
        from bedplate.gateway.beside.order import FEATURES
        from bedplate.gateway.pages import pages
        from bedplate.gateway.protocols.routes import routes as protocols

        telemetry = Telemetry(log=LogWriter(Log()))
        settings = Settings()
        methods = shop.methods(shop.Handlers(), telemetry, settings, OpenGate())
        self.settings = settings
        own = pages(telemetry, lambda: True)
        named = protocols(methods.values(), settings)
        self.gateway = Gateway(methods.values(), telemetry, pages=own, features=FEATURES, routes=named)

    def decode(self, request: Request) -> None:
        found = self.gateway.open(request)
        if isinstance(found, Response):
            assert found.status < 500, found.body
            return
        endpoint: Endpoint = request.target
        try:
            endpoint.decode(request)
        except (Refusal, DecodeError):
            return


_shop: _Shop | None = None


def _the_shop() -> _Shop:
    global _shop
    _shop = _shop or _Shop()
    return _shop


def _request(method: str, path: str, query: str, headers: dict[str, str]) -> Request:
    return Request(method, path, query, headers, peer="ipv4:127.0.0.1:1", started=time.monotonic())


def path(data: bytes) -> None:
    """A path finds a route or none."""
    text = data.decode("latin-1")
    _the_shop().decode(_request("GET", f"/{text}", "", {}))
    _the_shop().decode(_request("GET", f"/v1/files/{text}", "", {}))


def query(data: bytes) -> None:
    """A query is taken or refused."""
    _the_shop().decode(_request("GET", "/v1/things", data.decode("latin-1"), {}))


def body(data: bytes) -> None:
    """A body is taken or refused, whole and as a field."""
    for method, target in (
        ("POST", "/v1/things/a:mark"),
        ("PUT", "/v1/things/a/part"),
        ("PATCH", "/v1/racks/1/parts/2"),
    ):
        request = _request(method, target, "", {"content-type": "application/json"})
        request.body = data
        _the_shop().decode(request)


def headers(data: bytes) -> None:
    """Headers are taken or refused: the first line is a name, the rest its value."""
    name, _, value = data.decode("latin-1").partition("\n")
    value = "".join(c for c in value if c >= " ")
    request = _request("POST", "/v1/things", "", {name: value, "content-type": "application/json"})
    request.body = b"{}"
    _the_shop().decode(request)


def rpc(data: bytes) -> None:
    """A call by name is taken or refused: the first line is its content type, the second its compression."""
    kind, _, rest = data.partition(b"\n")
    coding, _, sent = rest.partition(b"\n")
    coded = {
        name: coding.decode("latin-1")
        for name in ("content-encoding", "grpc-encoding", "connect-content-encoding")
        if coding
    }
    for method in ("CreateThing", "StreamThings"):
        headers = {"content-type": kind.decode("latin-1"), **coded}
        request = _request("POST", f"/{shop.SERVICE.full_name}/{method}", "", headers)
        request.body = sent
        _the_shop().decode(request)
    with suppress(Refusal):
        by_query(_request("GET", "", sent.decode("latin-1"), {}), 1_000, lenient=False)


def http(data: bytes) -> None:
    """Bytes of a connection become requests, or end it, whether plain ones are read by the parser or not."""
    gateway = _the_shop().gateway
    head, blank, body = data.partition(b"\r\n\r\n")
    for pieces in ([data], [head + blank, body], [data[at : at + 61] for at in range(0, len(data) + 1, 61)]):
        found = readings(gateway, pieces, plain=True)
        assert found == readings(gateway, pieces, plain=False)
        if len(found[-1]) == 3:  # status, header lines and body of a refusal
            assert found[-1][0] in (400, 404, 405, 408, 413, 417, 431, 501, 503, 505), found[-1]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "codec": codec,
    "template": template,
    "path": path,
    "query": query,
    "body": body,
    "headers": headers,
    "rpc": rpc,
    "http": http,
}
