"""The process's own pages: whether it lives, whether it wants new callers, what it counts."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bedplate.gateway.exchange import Page, Request, Response, header_lines
from bedplate.telemetry.recorder import Telemetry


def pages(telemetry: Telemetry, ready: Callable[[], bool]) -> Mapping[str, Page]:
    """What answers GET, by path: `/healthz`, `/readyz` and `/metrics`.

    Args:
        telemetry: Holds what is counted.
        ready: Whether the process wants new callers.
    """

    def readyz(_: Request) -> Response:
        if ready():
            return _page("application/json", b'{"status":"ready"}')
        return _page("application/json", b'{"status":"not ready"}', status=503)

    return {
        "/healthz": lambda _: _page("application/json", b'{"status":"live"}'),
        "/readyz": readyz,
        "/metrics": lambda _: _page(CONTENT_TYPE_LATEST, generate_latest(telemetry.registry)),
    }


def _page(content_type: str, body: bytes, *, status: int = 200) -> Response:
    return Response(
        status, header_lines([("content-type", content_type), ("cache-control", "no-store")]), body
    )
