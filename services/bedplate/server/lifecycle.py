"""A process from its start to its end: signals, and a drain that fails no call."""

import asyncio
import contextlib
import gc
import logging
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import uvloop

from bedplate.pipeline.stage import Gate, OpenGate
from bedplate.pipeline.stages.drain import RETRY_AFTER_S
from bedplate.server.health_door import HealthDoor
from bedplate.settings import Settings
from bedplate.telemetry.logs import BridgeHandler, LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.telemetry.spans import open_spans

# With nothing in flight and no new call for this long, whoever called last has
# been told or has gone, and there is nobody left to refuse. It is longer than
# what a refused caller is asked to wait. Seconds.
QUIET_S = 2.5 * RETRY_AFTER_S
LOOK_EVERY_S = 0.02
# The last refusals are held back for this long before the doors close, and then
# until callers have seen that they did. Seconds.
HOLD_S = 2 * RETRY_AFTER_S
CLOSED_S = 0.02


class Door(Protocol):
    """What can be stopped: it takes nothing new, and lets what runs finish within the grace."""

    async def stop(self, grace_s: float) -> None:
        """Stop; called again with a shorter grace, it stops sooner."""
        ...


class Drain:
    """From being told to stop to having stopped; `hurry` cuts every wait short."""

    def __init__(self, gate: Gate, telemetry: Telemetry) -> None:
        self._gate = gate
        self._telemetry = telemetry
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Wait no more."""
        self._hurried.set()

    async def wait(self, seconds: float) -> None:
        """Let this much time pass."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), seconds)

    async def refuse(self, limit_s: float) -> None:
        """Refuse new calls for so long, or until nobody calls any more.

        Callers learn in this time that they must call elsewhere. Had the
        listener closed at once, gRPC would have cancelled the calls on their
        way, which no caller may repeat.
        """
        self._gate.draining = True
        if not await self._quiet(max(0.0, limit_s - HOLD_S)):
            self._gate.released = asyncio.Event()
            await self.wait(min(HOLD_S, limit_s))

    async def stop(self, doors: Sequence[Door], grace_s: float) -> None:
        """Stop the doors together; what still runs after the grace is ended with an answer."""
        grace_s = 0.0 if self._hurried.is_set() else grace_s
        stopping: asyncio.Future[Any] = asyncio.gather(*(door.stop(grace_s) for door in doors))
        hurried: asyncio.Future[Any] = asyncio.ensure_future(self._hurried.wait())
        if self._gate.released is not None:
            await asyncio.wait([stopping], timeout=CLOSED_S)
            self._gate.released.set()
        await asyncio.wait([stopping, hurried], return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not stopping.done():
            await asyncio.gather(*(door.stop(0.0) for door in doors))
        await stopping

    async def _quiet(self, limit_s: float) -> bool:
        """Wait until nobody calls any more, at most so long; whether that came."""
        telemetry = self._telemetry
        until = time.monotonic() + limit_s
        begun, since = telemetry.begun, time.monotonic()
        while (now := time.monotonic()) < until and not self._hurried.is_set():
            if telemetry.in_flight or telemetry.begun != begun:
                begun, since = telemetry.begun, now
            elif now - since >= QUIET_S:
                return True
            await self.wait(min(LOOK_EVERY_S, until - now))
        return False


class Running(ABC):
    """A process: opened step by step, drained when it is to end, closed in the opposite order.

    `await start()`, and `await stop()` when it is to end.

    Attributes:
        settings: What the operator decided.
        telemetry: What calls are recorded with.
        ready: True while new calls are welcome.
    """

    def __init__(self, settings: Settings, log: LogWriter | None) -> None:
        """Prepare a process; nothing is opened yet.

        Args:
            settings: What the operator decided.
            log: Where log lines go; None: where the settings say. It is closed at the end.
        """
        self.settings = settings
        self.telemetry = Telemetry(
            log=log or LogWriter.open(settings.log_file), trace_ratio=settings.trace_ratio
        )
        self.ready = False
        self._gate = OpenGate()
        self._drain = Drain(self._gate, self.telemetry)
        self._opened = contextlib.AsyncExitStack()
        self._stopping: asyncio.Future[None] | None = None
        self._health_door: HealthDoor | None = None

    @property
    def health_address(self) -> str:
        """Where health is told on an address of its own, `host:port`; empty: nowhere."""
        return self._health_door.address if self._health_door else ""

    async def start(self) -> None:
        """Open everything and take calls; when something goes wrong, close what was opened.

        Raises:
            SettingsError: It would talk plaintext to others.
            OSError: The address for health is taken, or is none of this machine's.
            Exception: As `_start` says.
        """
        try:
            self._opened.callback(self.telemetry.log.close)
            self.settings.refuse_plaintext()
            await self._open_health()
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise

    @abstractmethod
    async def _start(self) -> None:
        """Open everything and take calls; what is opened is given to `_opened`, to be closed."""

    async def stop(self) -> None:
        """Drain, and close everything; every call whose handler started gets its answer.

        Called again while it runs, it waits for the same end. See `hurry`.
        """
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self.ready = False
        await self._refuse()
        await self._opened.aclose()

    @abstractmethod
    async def _refuse(self) -> None:
        """Take no more calls, and wait until those that run are answered."""

    def hurry(self) -> None:
        """Cut every wait of `stop` short: calls that still run are ended with an answer."""
        self._drain.hurry()

    @abstractmethod
    async def ended(self) -> None:
        """Wait until it has ended, which it does by itself only when it broke."""

    def wants_callers(self) -> bool:
        """What `/readyz` tells."""
        return self.ready

    async def _open_health(self) -> None:
        if self.settings.health_address:
            door = self._health_door = HealthDoor(self.settings, self.telemetry, self.wants_callers)
            await door.start()
            self._opened.push_async_callback(door.stop)

    def _open_spans(self) -> None:
        if self.settings.otlp_endpoint:
            spans = self.telemetry.spans = open_spans(self.settings.otlp_endpoint)
            self._opened.push_async_callback(asyncio.to_thread, spans.close)


def run(app: Running, *, on_ready: Callable[[], None] = lambda: None) -> int:
    """Run a process until SIGINT, SIGTERM or SIGHUP; a second signal stops it hard.

    SIGHUP stops it only where nobody decided otherwise: `nohup` and the gateway did.

    Args:
        app: What to run.
        on_ready: Called once calls are taken.

    Returns:
        The exit code: 0 after a drain, 1 when the gRPC door broke.

    Raises:
        Exception: What `Running.start` raises.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(app, on_ready))


async def _serve(app: Running, on_ready: Callable[[], None]) -> int:
    loop = asyncio.get_running_loop()
    log = app.telemetry.log
    told = asyncio.Event()

    def signalled() -> None:
        if told.is_set():
            app.hurry()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is signal.SIG_DFL:
            loop.add_signal_handler(number, signalled)
    loop.set_exception_handler(lambda _, context: _write_loop_error(log, context))
    with _bridged(log):
        stop = asyncio.ensure_future(told.wait())
        start = asyncio.ensure_future(app.start())
        await asyncio.wait([stop, start], return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await start
            return 0
        try:
            await start
            on_ready()
            # What start-up made stays; the collector need not look at it again.
            gc.collect()
            gc.freeze()
            broken = asyncio.ensure_future(app.ended())
            await asyncio.wait([stop, broken], return_when=asyncio.FIRST_COMPLETED)
            failed = not stop.done()
            if failed:
                log.write("error", "stop", {"message": "the gRPC server ended by itself"})
            await app.stop()
            await asyncio.wait([broken])
        finally:
            stop.cancel()
        return 1 if failed else 0


@contextlib.contextmanager
def _bridged(log: LogWriter) -> Any:
    """What libraries log goes where our lines go."""
    handler = BridgeHandler(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _write_loop_error(log: LogWriter, context: dict[str, Any]) -> None:
    error = context.get("exception")
    fields = {"message": context.get("message", ""), "error": type(error).__name__ if error else ""}
    log.write("error", "loop", fields)
