"""A bounded queue before a fixed number of worker threads, each with its own connection."""

import contextlib
import queue
import threading
import time
from collections import OrderedDict
from typing import Any

from bedplate.data import fault
from bedplate.data.session import Driver
from bedplate.data.slot import Slot
from bedplate.data.transact import perform
from bedplate.data.unit import State, Unit

SMOOTHING = 0.1  # weight of the newest unit in the mean time of one


class Lane:
    """Runs units of work, at most `size` at a time, first come first served.

    A thread takes its next unit itself and does not ask the event loop: a busy
    loop would leave the database idle between two units. A thread and a
    connection are one: there is no pool to check out of.
    """

    def __init__(self, driver: Driver, *, name: str, size: int, queue_max: int) -> None:
        self._driver = driver
        self._name = name
        self._size = size
        self._queue_max = queue_max
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Unit[Any], None] = OrderedDict()
        # One token for each waiting unit and `_stray` more: a unit that leaves
        # the queue cannot take its token with it. The next one uses it.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stray = 0
        self._running: set[Unit[Any]] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._mean_s = 0.001

    @property
    def waiting(self) -> int:
        """Units in the queue."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Units in a slot, those included whose callers no longer wait."""
        return len(self._running)

    def submit(self, unit: Unit[Any]) -> None:
        """Queue a unit.

        Raises:
            Refusal: OVERLOADED or DRAINING.
        """
        with self._lock:
            if self._closed:
                raise fault.stopping()
            ahead = len(self._waiting) + len(self._running)
            if ahead >= self._size + self._queue_max:
                raise fault.overloaded(len(self._waiting) * self._mean_s / self._size)
            self._waiting[unit] = None
            if self._stray:
                self._stray -= 1
            else:
                self._tokens.put(None)
            if len(self._threads) < self._size and ahead >= len(self._threads):
                self._start()

    def forget(self, unit: Unit[Any]) -> bool:
        """Take a unit out of the queue; False when a thread has it already."""
        with self._lock:
            if unit not in self._waiting:
                return False
            del self._waiting[unit]
            self._stray += 1
            return True

    def close(self) -> list[Unit[Any]]:
        """Take no more units and let each thread end after the one it runs; returns those that waited."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            for _ in self._threads:
                self._tokens.put(None)
        return left

    def remaining(self) -> list[Unit[Any]]:
        """The units that run."""
        with self._lock:
            return list(self._running)

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads to end; False when one has not by then."""
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        # A daemon, so that a stuck statement does not keep the process alive.
        thread = threading.Thread(target=self._run, name=f"bedplate-{self._name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        slot = Slot(self._driver)
        while True:
            self._tokens.get()
            with self._lock:
                if self._waiting:
                    unit, _ = self._waiting.popitem(last=False)
                    self._running.add(unit)
                elif self._closed:
                    break
                else:
                    self._stray -= 1
                    continue
                unit.slot = slot
            self._serve(unit, slot)
            del unit
        slot.discard()

    def _serve(self, unit: Unit[Any], slot: Slot) -> None:
        started = time.monotonic()
        error: BaseException | None = None
        result = None
        try:
            result = perform(unit, slot)
        except BaseException as raised:
            # Not lost: whoever awaits the unit gets it. A future cannot hold StopIteration.
            error = RuntimeError("StopIteration") if isinstance(raised, StopIteration) else raised
        with slot.touching:
            unit.settle(State.RETURNED)
        with self._lock:
            self._running.discard(unit)
            self._mean_s += SMOOTHING * (time.monotonic() - started - self._mean_s)
        # The loop may be closed by now; then nobody waits either.
        with contextlib.suppress(RuntimeError):
            if error is None:
                unit.loop.call_soon_threadsafe(unit.answer, result)
            else:
                unit.loop.call_soon_threadsafe(unit.refuse, error)
