"""Runs the asynchronous client for synchronous callers: one loop, one thread a process."""

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# How often a waiting thread looks up, seconds. A signal that comes just before
# a thread begins to wait is not noticed until it wakes, and on Windows none is.
LOOK_S = 0.5


class Bridge:
    """An event loop that runs on another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pid = os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine; being interrupted cancels it.

        It runs in a copy of the caller's context, so that deadline and trace of
        the call that the caller works for hold there too.

        Raises:
            RuntimeError: This thread runs the loop, nobody does, or the process forked since.
        """
        try:
            self._check()
        except RuntimeError:
            coroutine.close()
            raise
        context = contextvars.copy_context()
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def start() -> None:
            task = self._loop.create_task(coroutine, context=context)
            tasks.append(task)
            task.add_done_callback(finish)

        def finish(task: asyncio.Task[T]) -> None:
            if task.cancelled():
                done.set_exception(concurrent.futures.CancelledError())
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        def give_up() -> None:
            for task in tasks:
                task.cancel()

        try:
            self._loop.call_soon_threadsafe(start)
            return _result(done)
        except BaseException:
            if not done.done():  # KeyboardInterrupt, and what else a signal raises here
                self._loop.call_soon_threadsafe(give_up)
            raise

    def post(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Run a plain function on the loop, without waiting for it; nothing when the loop is gone."""
        if self._pid == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _check(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("the client was made before the process forked; make one in each process")
        if not self._loop.is_running():
            raise RuntimeError(
                "the event loop of the client's channel does not run; make the client where it does"
            )
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self._loop:
            raise RuntimeError(
                "a synchronous client would block the loop that must answer it; use the Async client"
            )


def _result(done: "concurrent.futures.Future[T]") -> T:
    while True:
        try:
            return done.result(LOOK_S)
        except TimeoutError:
            if done.done():
                return done.result()


_lock = threading.Lock()
_shared: Bridge | None = None


def shared() -> Bridge:
    """The bridge of this process; its thread starts at the first call and ends with the process."""
    global _shared
    with _lock:
        if _shared is None:
            loop = asyncio.new_event_loop()
            running = threading.Event()
            loop.call_soon(running.set)
            threading.Thread(target=_run, args=(loop,), name="bedplate-client", daemon=True).start()
            running.wait()
            _shared = Bridge(loop)
        return _shared


def of_loop(loop: asyncio.AbstractEventLoop) -> Bridge:
    """A bridge to a loop that runs already."""
    return Bridge(loop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _forget() -> None:
    """In a forked child the thread does not exist."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget)
