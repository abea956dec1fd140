"""Scenarios of calls that have one effect for each request id: two servers, crashes, lost answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.contract.policy import resolve
from bedplate.contract.scope import CURRENT
from bedplate.errors import Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts
from bedplate.pipeline.stages import replay
from bedplate.records.outcome import Key
from bedplate.records.outcomes import Outcomes
from bedplate.settings import Settings
from bedplate.testing.simulate import Process, SimulatedDatabase, Template, Unreachable, World
from tests.records import till

CALLERS = 4
WISHES = 2  # of each caller
IDS = 3
STEPS = 250  # in which crashes happen
TIMEOUT_S = 5.0
RARE = "rare"
METHODS = ("Sell", "SellInSteps")
AGAIN = {
    *("IDEMPOTENCY_IN_PROGRESS", "OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "OVERLOADED"),
    "DEPENDENCY_UNAVAILABLE",
}
CLERK = Principal("key:clerk", "tenant", frozenset())


@cache
def template() -> Template:
    """The tables of the platform and of the till."""
    return Template.migrated("till", Path(till.__file__).parent / "schema", platform=True)


_HOLDER: ContextVar[tuple["Locking", object]] = ContextVar("holder")


class Locking(SimulatedDatabase):
    """A simulated database with PostgreSQL's advisory locks, which end with their transactions."""

    def __init__(self, world: World, template: Template) -> None:
        super().__init__(world, template)
        self._held: dict[Key, object] = {}

    async def _work(self, transaction: Any, work: Any) -> Any:
        def unit(connection: Any) -> Any:
            token = _HOLDER.set((self, transaction))
            try:
                return work(connection)
            finally:
                _HOLDER.reset(token)

        return await super()._work(transaction, unit)

    @staticmethod
    def lock(_: Any, key: Key) -> bool:
        """See `outcome.lock`."""
        database, transaction = _HOLDER.get()
        holder = database._held.get(key, transaction)
        if holder is not transaction and holder in database._open:
            return False
        database._held[key] = transaction
        return True


class Server:
    """One life of a server: what it knows is gone with it."""

    def __init__(self, database: Any, world: World) -> None:
        outcomes = Outcomes(database, clock=world.clock)
        parts = Parts(authenticator=None, settings=Settings(), outcomes=outcomes)  # type: ignore[arg-type]
        self._handlers = till.Handlers(database)
        self._stages = {}
        for name in METHODS:
            stage = replay.compile(resolve(till.SERVICE.methods_by_name[name]), parts)
            assert stage is not None
            assert stage.around is not None
            self._stages[name] = stage.around

    async def sell(self, name: str, request_id: str, item: str) -> tuple[str, str, bool]:
        """Reason, id of the sale, and whether the answer is a replay."""
        call = Call(method=name, door="grpc", decode=None)  # type: ignore[arg-type]
        call.principal, call.deadline = CLERK, time.monotonic() + TIMEOUT_S
        CURRENT.set(call)
        request = till.SellRequest(request_id=request_id, item=item)
        handler = getattr(self._handlers, name)
        try:
            async with asyncio.timeout_at(call.deadline):
                response: Any = await self._stages[name](
                    call, request, lambda call, request: handler(request, call)
                )
        except Refusal as refusal:
            return refusal.reason, "", bool(call.response_headers)
        except TimeoutError:
            return "DEADLINE_EXCEEDED", "", False
        return "OK", response.sale_id, bool(call.response_headers)


def selling(
    *, methods: tuple[str, ...] = METHODS, seen: set[str] | None = None
) -> Callable[[World], Awaitable[None]]:
    """A scenario: callers ask two servers for the same sales until they know; what is sold out changes."""

    async def sales(world: World) -> None:
        database = Locking(world, template())
        processes = [Process(world, name, lost=0.05) for name in ("one", "two")]
        servers = {process.name: Server(database, world) for process in processes}

        def bounce(process: Process) -> Callable[[], None]:
            def action() -> None:
                process.bounce()
                servers[process.name] = Server(database, world)

            return action

        for _ in range(world.random.randrange(5)):
            world.at_some_step(bounce(world.random.choice(processes)), within=STEPS)
        told: dict[tuple[str, str], list[tuple[str, str]]] = {}

        async def supply() -> None:
            for sold_out in (True, False, True):
                await asyncio.sleep(world.random.random())
                await retried(lambda sold_out=sold_out: till_work(database, sold_out))

        async def caller(number: int) -> None:
            for _ in range(WISHES):
                name = world.random.choice(methods)
                request_id = f"id-{world.random.randrange(IDS)}"
                item = RARE if request_id == "id-0" else f"{name}-{request_id}"
                while True:
                    process = world.random.choice(processes)
                    try:
                        answer = await process.call(
                            lambda process=process: servers[process.name].sell(name, request_id, item)  # noqa: B023
                        )
                    except Unreachable:
                        answer = ("UNREACHABLE", "", False)
                    if seen is not None:
                        seen.update((answer[0], f"replayed {answer[2]}"))
                    if answer[0] not in AGAIN | {"UNREACHABLE"}:
                        break
                    await asyncio.sleep(world.random.random())
                told.setdefault((name, request_id), []).append(answer[:2])

        async with asyncio.TaskGroup() as group:
            group.create_task(supply(), name="supply")
            for number in range(CALLERS):
                group.create_task(caller(number), name=f"caller-{number}")
        for process in processes:
            await process.stop()
        database.look(lambda connection: audit(connection, told))

    return sales


def till_work(database: Any, sold_out: bool) -> Awaitable[None]:
    return database.transact(lambda connection: till.set_sold_out(connection, RARE, sold_out))


async def retried(work: Callable[[], Awaitable[None]]) -> None:
    """Until it is done; what is done twice is as good."""
    while True:
        try:
            return await work()
        except Refusal:
            await asyncio.sleep(0.1)


def audit(connection: Any, told: dict[tuple[str, str], list[tuple[str, str]]]) -> None:
    """Everybody was told the same of a call, and it is so."""
    rows = connection.exec_driver_sql("SELECT sale_id, item, state FROM till_sales").all()
    for (name, request_id), answers in told.items():
        assert len(set(answers)) == 1, f"{name} {request_id} was answered with {answers}"
        reason, sale_id = answers[0]
        if reason == "OK":
            assert [row.state for row in rows if row.sale_id == sale_id] == ["sold"], (name, request_id)
        else:
            assert reason == "SOLD_OUT", answers
    of_items = [row.item for row in rows if row.item != RARE]
    assert len(of_items) == len(set(of_items)), f"sold twice: {of_items}"
    rare = [row for row in rows if row.item == RARE and row.state == "sold"]
    sold = sum(told.get((name, "id-0"), [("", "")])[0][0] == "OK" for name in METHODS)
    assert len(rare) == sold, f"{rare} were sold, {told} were told"
