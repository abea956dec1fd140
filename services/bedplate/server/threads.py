"""Where handlers run plain functions that block: on a bounded number of threads, and never past notice.

A handler is a coroutine; a function that blocks would stop every other call of
the process. `asyncio.to_thread` lets it run elsewhere, and then nobody knows of
it: it goes on after its call has ended, in a pool that others wait for without
a bound.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import CollectorRegistry, Gauge

from bedplate.data.cores import cores
from bedplate.errors import Kind, Refusal

T = TypeVar("T")

THREADS_PER_CORE = 2
QUEUE_MAX = 256  # functions that wait for a thread
RETRY_AFTER_S = 0.5


class Threads:
    """Runs functions that block.

        async def Render(self, request, call):
            page = await self._threads.run(lambda stop: render(request.text, stop))

    When the call ends before the function does (its deadline has passed, its
    caller has gone) it is answered at once, `stop` is set, and the function's
    place is free again when it returns and not before. A function that waits
    for long, or works in steps, looks at `stop.is_set()`.

    What a database does needs none of this: see `Database.read` and `transact`.
    """

    def __init__(self, *, size: int = 0, queue: int = QUEUE_MAX) -> None:
        """Prepare; threads are started when they are needed.

        Args:
            size: Threads; 0: 2 for each core.
            queue: Functions that may wait for one.
        """
        self._size = size or THREADS_PER_CORE * cores()
        self._queue_max = queue
        self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="bedplate-work")
        self._taken = 0
        self._stops: set[threading.Event] = set()

    @property
    def running(self) -> int:
        """Functions that have a thread, those included whose calls have ended."""
        return min(self._taken, self._size)

    @property
    def waiting(self) -> int:
        """Functions that wait for a thread."""
        return self._taken - self.running

    async def run(self, work: Callable[[threading.Event], T]) -> T:
        """Run a function on a thread, in the context of the call; what it raises is raised.

        Raises:
            Refusal: OVERLOADED: all threads are taken and the queue is full.
        """
        if self._taken >= self._size + self._queue_max:
            raise Refusal(
                Kind.EXHAUSTED,
                "OVERLOADED",
                "All threads are taken and the queue before them is full; call again a little later.",
                retry_after_s=RETRY_AFTER_S,
            )
        loop, stop = asyncio.get_running_loop(), threading.Event()
        future = self._pool.submit(contextvars.copy_context().run, work, stop)
        self._taken += 1
        self._stops.add(stop)
        future.add_done_callback(lambda _: self._returned(loop, stop))
        return await self._wait(future, stop)

    async def _wait(self, future: "Future[T]", stop: threading.Event) -> T:
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            stop.set()
            raise

    def _returned(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        # Once the loop is closed nobody counts any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._give_back, stop)

    def _give_back(self, stop: threading.Event) -> None:
        self._taken -= 1
        self._stops.discard(stop)

    def show(self, registry: CollectorRegistry) -> None:
        """Add `bedplate_threads_running` and `bedplate_threads_waiting` to a registry."""
        running = Gauge(
            "bedplate_threads_running", "Blocking functions that have a thread.", registry=registry
        )
        running.set_function(lambda: self.running)
        waiting = Gauge(
            "bedplate_threads_waiting", "Blocking functions that wait for a thread.", registry=registry
        )
        waiting.set_function(lambda: self.waiting)

    def close(self) -> None:
        """Take no more; those that run are told to stop, those that wait are given up."""
        for stop in list(self._stops):
            stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
