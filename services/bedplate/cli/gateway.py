"""`bedplate gateway`: HTTP and JSON in front of a gRPC server that runs elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples

if TYPE_CHECKING:
    from bedplate.client.tls import Tls
    from bedplate.gateway.elsewhere.upstream import Target
    from bedplate.server.edge import Edge
    from bedplate.server.sources import Source
    from bedplate.settings import Settings

EXAMPLES = examples(
    "bedplate gateway --descriptors contracts.binpb --target dns:///shop:50051",
    "bedplate gateway --reflect --target 127.0.0.1:50051",
    "buf build -o contracts.binpb",
    "BEDPLATE_HTTP_ADDRESS=127.0.0.1:8090 bedplate gateway --reflect --target 127.0.0.1:50051",
)


def gateway(
    target: Annotated[
        str,
        typer.Option(
            help="gRPC address of the server behind, such as dns:///shop:50051; all addresses of a name are "
            "called in turn.",
            show_default=False,
        ),
    ],
    descriptors: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with its contracts, a descriptor set; may be given several times. Read again when it "
            "changes, and on SIGHUP.",
            show_default=False,
            metavar="FILE",
        ),
    ] = None,
    reflect: Annotated[
        bool,
        typer.Option(
            "--reflect",
            help="Ask the server itself for its contracts, at start and every 30 s, by reflection.",
        ),
    ] = False,
    plaintext: Annotated[
        bool,
        typer.Option(
            "--plaintext", help="Call a server on another machine without TLS; the network is protected."
        ),
    ] = False,
) -> None:
    """Answer HTTP and JSON for any gRPC server, until SIGTERM. Logs JSON lines."""
    from bedplate.cli.exits import Exit, Stop
    from bedplate.cli.process import run_edge
    from bedplate.gateway.elsewhere.upstream import Target
    from bedplate.server.edge import Edge
    from bedplate.settings import Settings

    if bool(descriptors) is reflect:
        raise Stop(
            Exit.USAGE,
            "Say where the contracts come from: either --descriptors FILE or --reflect.",
            "A file is made with: buf build -o contracts.binpb",
        )
    settings = Settings.load()
    at = Target.of(target, tls=_tls(settings), plaintext=plaintext)
    edge = Edge(settings, at, _source(descriptors, at))
    raise typer.Exit(run_edge(edge, on_ready=lambda: _say(edge, target)))


def _source(descriptors: list[Path] | None, target: "Target") -> "Source":
    from bedplate.server.sources import Files, Reflected

    return Files(descriptors) if descriptors else Reflected(target)


def _tls(settings: "Settings") -> "Tls | None":
    from bedplate.client.tls import Tls

    if settings.upstream_ca is None:
        return None
    return Tls(ca=settings.upstream_ca, certificate=settings.tls_certificate, key=settings.tls_key)


def _say(edge: "Edge", target: str) -> None:
    scheme = "https" if edge.settings.tls_certificate else "http"
    http = f"{scheme}://{edge.http_address}"
    typer.echo(f"{edge.routes} methods of {target}: HTTP on {http}, reference {http}/reference")
