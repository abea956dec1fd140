"""Runs services in this process; what `up` and `serve` have in common."""

import errno
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from bedplate.server.app import App
    from bedplate.server.edge import Edge
    from bedplate.settings import Settings


def run_services(settings: "Settings", names: Sequence[str], *, on_ready: "Callable[[App], None]") -> int:
    """Run until a signal says stop.

    Args:
        settings: The process's settings.
        names: Nouns of the services; those that every process has come to them.
        on_ready: Called once calls are taken.

    Returns:
        The exit code.

    Raises:
        Stop: An address is taken or not ours, or a contract of the project cannot be kept.
        Exception: As `App.start` says.
    """
    from bedplate.contract.policy import PolicyError
    from bedplate.server.app import App
    from bedplate.server.lifecycle import run
    from bedplate.services.registry import ALWAYS, contracts_of, load

    types = [load(name) for name in dict.fromkeys((*names, *ALWAYS))]
    app = App(settings, types, contracts=contracts_of)
    try:
        return run(app, on_ready=lambda: on_ready(app))
    except PolicyError as error:
        raise Stop(Exit.CONFIGURATION, _with_place(str(error))) from error
    except OSError as error:
        stop = _explain_address(error, settings)
        if stop is None:
            raise
        raise stop from error


def run_edge(edge: "Edge", *, on_ready: Callable[[], None]) -> int:
    """Run a gateway process until a signal says stop; SIGHUP has it read its contracts again.

    Returns:
        The exit code.

    Raises:
        Stop: Its address is taken or not ours.
        Exception: As `Edge.start` says.
    """
    import asyncio
    import signal

    from bedplate.server.lifecycle import run

    def begin() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, edge.reload)
        on_ready()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until then there is nothing to read again
    try:
        return run(edge, on_ready=begin)
    except OSError as error:
        stop = _explain_address(error, edge.settings)
        if stop is None:
            raise
        raise stop from error


def served(app: "App") -> str:
    """The services of a process, as people are told of them: without those that every process has."""
    from bedplate.services.registry import ALWAYS

    return ", ".join(name for name in app.services if name not in ALWAYS)


def _with_place(sentence: str) -> str:
    """A sentence about a contract of the project, after the file and line that it is about."""
    from pathlib import Path

    from bedplate.generate.build import load_places
    from bedplate.project import find_project

    project = find_project(Path.cwd())
    places = load_places(project) if project else None
    return places.locate(sentence) if places else sentence


def _explain_address(error: OSError, settings: "Settings") -> Stop | None:
    """Say which door could not open and how to give it another address."""
    if error.errno is None and str(error).startswith("cannot listen on"):
        return Stop(Exit.IN_USE, f"{error}.")
    if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        return None
    text = str(error)
    doors = {"BEDPLATE_HTTP_ADDRESS": settings.http_address, "BEDPLATE_GRPC_ADDRESS": settings.grpc_address}
    name = next((name for name, address in doors.items() if address in text), None)
    if name is None:
        return None
    why = {
        errno.EADDRINUSE: "is in use by another program",
        errno.EACCES: "may not be used by this user",
        errno.EADDRNOTAVAIL: "is no address of this machine",
    }[error.errno]
    example = "127.0.0.1:8090" if "HTTP" in name else "127.0.0.1:50061"
    return Stop(Exit.IN_USE, f"{doors[name]} {why}.", f"Choose another one, such as {name}={example}")
