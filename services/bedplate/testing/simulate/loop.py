"""An event loop whose time is virtual and whose order is chosen by a strategy."""

import asyncio
import contextlib
import contextvars
import heapq
import sys
import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from bedplate.testing.simulate.fault import DeadlockError, LimitError, SimulationError
from bedplate.testing.simulate.life import LIFE
from bedplate.testing.simulate.schedule import Strategy

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Not 0, which code may take for "not set".
START_S = 1_000.0

Observer = Callable[["SimulatedTask", int], None]


class SimulatedTask(asyncio.Task[Any]):
    """A task with a number that is the same in every run of a seed."""

    def __init__(
        self,
        coroutine: Generator[Any, None, Any] | Coroutine[Any, Any, Any],
        *,
        loop: "SimulatedLoop",
        order: int,
        name: str | None,
        context: contextvars.Context | None,
    ) -> None:
        self.order = order
        super().__init__(coroutine, loop=loop, name=name or f"task-{order}", context=context)


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs tasks one step at a time. Virtual time passes only when nothing is ready.

    What is chosen is which task takes the next step. Plain callbacks (timers,
    callbacks of futures) run at once and in order, as asyncio promises; what
    they wake is ready and waits to be chosen.

    Attributes:
        step: Decisions made so far, each a scheduling point.
        tasks: All tasks ever made.
        observe: Called with each chosen task and how many were ready; None: nobody looks.
        problems: What was handed to the loop's exception handler.
    """

    def __init__(self, strategy: Strategy, *, limit_s: float, steps_max: int) -> None:
        self._strategy = strategy
        self._limit = START_S + limit_s
        self._limit_s = limit_s
        self._steps_max = steps_max
        self._now = START_S
        self._plain: deque[asyncio.Handle] = deque()
        # Ready steps by their task's number, so that a choice does not depend
        # on the order in which a set of tasks was woken.
        self._ready: list[tuple[int, int, asyncio.Handle]] = []
        self._orders: list[int] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._hooks: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self._chosen = -1
        self._failure: BaseException | None = None
        self._thread = threading.get_ident()
        self._closed = False
        self._running = False
        self.step = 0
        self.tasks: list[SimulatedTask] = []
        self.observe: Observer | None = None
        self.problems: list[dict[str, Any]] = []

    # What scenarios and the simulated parts use.

    def fail(self, error: BaseException) -> None:
        """End the run with an error, whatever task finds it."""
        if self._failure is None:
            self._failure = error

    def at_step(self, step: int, action: Callable[[], None]) -> None:
        """Run an action between two steps, once so many have been taken."""
        self._counter += 1
        heapq.heappush(self._hooks, (step, self._counter, action))

    def may_continue(self) -> bool:
        """A scheduling point in the middle of a step: whether the current task is chosen to go on.

        When it is not, the task must wait (`asyncio.sleep(0)`), and the one that
        was chosen instead takes the next step.
        """
        task = asyncio.current_task(self)
        assert isinstance(task, SimulatedTask), "a scheduling point is inside a task"
        if self._plain or self._failure is not None or (self._hooks and self._hooks[0][0] <= self.step):
            return False
        orders = self._orders.copy()
        insort(orders, task.order)
        chosen = orders[self._strategy.pick(orders)]
        if chosen != task.order:
            self._chosen = chosen
            return False
        self._count(task, len(orders))
        return True

    # What asyncio asks of a loop.

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        task = getattr(callback, "__self__", None)
        if isinstance(task, SimulatedTask):
            self._counter += 1
            insort(self._ready, (task.order, self._counter, handle))
            insort(self._orders, task.order)
        else:
            self._plain.append(handle)
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """The same; there is one thread."""
        if threading.get_ident() != self._thread:
            _refuse("threads")
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._counter += 1
        heapq.heappush(self._timers, (when, self._counter, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked for by `TimerHandle.cancel`; cancelled timers are dropped when they come up."""

    def create_future(self) -> "asyncio.Future[Any]":
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **_: Any,
    ) -> "asyncio.Task[T]":
        """See asyncio; tasks begin when they are chosen, eager or not."""
        task = SimulatedTask(coro, loop=self, order=len(self.tasks), name=name, context=context)
        self.tasks.append(task)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            life.tasks.append(task)
        return task

    def run_until_complete(self, future: Any) -> Any:
        """Run until a future is done.

        Raises:
            DeadlockError: Nothing is ready and no timer runs.
            LimitError: It takes longer than it may.
        """
        main: asyncio.Future[Any] = asyncio.ensure_future(future, loop=self)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finish_generator)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            while not main.done():
                self._advance()
                if self._failure is not None:
                    raise self._failure
        finally:
            self._running = False
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
        return main.result()

    def is_running(self) -> bool:
        """See asyncio."""
        return self._running

    def is_closed(self) -> bool:
        """See asyncio."""
        return self._closed

    def close(self) -> None:
        """See asyncio."""
        self._closed = True
        self._plain.clear()
        self._ready.clear()
        self._orders.clear()
        self._timers.clear()
        self._hooks.clear()

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def get_task_factory(self) -> None:
        """There is none to set."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what went wrong; the run is judged by it at its end."""
        if not self._closed:
            self.problems.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """The same."""
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        """See asyncio."""

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], Any], *args: *Ts) -> NoReturn:
        """Refused."""
        _refuse("threads")

    async def create_connection(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        _refuse("sockets")

    async def create_server(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        _refuse("sockets")

    def stop_quietly(self) -> None:
        """Cancel what is left and let it end, without choices; for the end of a run."""
        self._failure, self._limit, self.observe = None, float("inf"), None
        self._hooks.clear()
        self._strategy = _First()
        self._steps_max = self.step + self._steps_max
        left = [task for task in self.tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            # One that clings to life is dropped with the loop.
            with contextlib.suppress(SimulationError):
                self.run_until_complete(asyncio.wait(left))
        self.close()

    # The run itself.

    def _advance(self) -> None:
        if self._plain:
            handle = self._plain.popleft()
            if not handle.cancelled():
                handle._run()
        elif self._hooks and self._hooks[0][0] <= self.step:
            heapq.heappop(self._hooks)[2]()
        elif self._ready:
            self._take_step()
        elif self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled():
                self._pass_time(when)
                timer._run()
        else:
            raise DeadlockError(f"nothing is ready and no timer runs; {self.waiting()}")

    def _take_step(self) -> None:
        if self._chosen >= 0 and self._chosen in self._orders:
            index = self._orders.index(self._chosen)
        else:
            index = self._strategy.pick(self._orders) if len(self._orders) > 1 else 0
        self._chosen = -1
        ready = len(self._orders)
        order, _, handle = self._ready.pop(index)
        self._orders.pop(index)
        if not handle.cancelled():
            self._count(self.tasks[order], ready)
            handle._run()

    def _count(self, task: SimulatedTask, ready: int) -> None:
        self.step += 1
        if self.observe is not None:
            self.observe(task, ready)
        if self.step > self._steps_max:
            raise LimitError(f"more than {self._steps_max} steps; {self.waiting()}")

    def _pass_time(self, when: float) -> None:
        if when > self._limit:
            raise LimitError(f"more than {self._limit_s:g} s of virtual time; {self.waiting()}")
        self._now = max(self._now, when)

    def waiting(self) -> str:
        """Which tasks are not done and where each of them waits."""
        lines = [f"{task.get_name()} at {_place(task)}" for task in self.tasks if not task.done()]
        return f"not done: {'; '.join(lines) or 'none'}"

    def _finish_generator(self, generator: Any) -> None:
        if not self._closed:
            self.create_task(generator.aclose(), name="aclose")


class _First:
    def pick(self, orders: Any) -> int:
        """See `Strategy`."""
        return 0


def _place(task: SimulatedTask) -> str:
    """The innermost line of a task that waits, which is the one that tells most."""
    coroutine: Any = task.get_coro()
    place = "its beginning"
    while coroutine is not None and getattr(coroutine, "cr_frame", None) is not None:
        frame = coroutine.cr_frame
        place = f"{frame.f_code.co_qualname} ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
        coroutine = getattr(coroutine, "cr_await", None)
    return place


def _refuse(what: str) -> NoReturn:
    raise SimulationError(
        f"there are no {what} in a simulation: put what needs them behind an interface, and simulate that"
    )
