"""Admission: how many units may wait, for how long, and who gives its place back."""

import asyncio
import threading

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.errors import Kind, Refusal
from tests.data.signals import in_call, run, scalars, until

ITEMS = scalars("SELECT id FROM item ORDER BY id")


class Occupied:
    """A unit that keeps the only writing connection until it is let go."""

    def __init__(self, database: Database) -> None:
        self.entered, self.release = threading.Event(), threading.Event()
        self.task = asyncio.ensure_future(database.transact(self._work))

    def _work(self, connection: sa.Connection) -> str:
        self.entered.set()
        assert self.release.wait(20)
        return "done"


@pytest.fixture
async def occupied(narrow: Database):
    made = Occupied(narrow)
    await until(made.entered.is_set)
    yield made
    made.release.set()
    await asyncio.wait([made.task])


def _insert(database: Database, number: int, **options: float) -> "asyncio.Task[None]":
    return asyncio.ensure_future(
        database.transact(run("INSERT INTO item (id) VALUES (:id)", id=number), **options)
    )


async def test_the_queue_takes_as_many_as_it_says_and_refuses_the_next(narrow, occupied):
    waiting = [_insert(narrow, number) for number in range(3)]
    await until(lambda: narrow.waiting == 3)

    with pytest.raises(Refusal) as caught:
        await _insert(narrow, 99)

    assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "OVERLOADED")
    assert caught.value.retry_after_s is not None
    assert 0 < caught.value.retry_after_s <= 5
    occupied.release.set()
    await asyncio.gather(*waiting)
    assert await occupied.task == "done"
    assert await narrow.read(ITEMS) == [0, 1, 2]


async def test_units_run_in_the_order_in_which_they_came(narrow, occupied):
    order: list[int] = []

    def note(number: int):
        return lambda connection: order.append(number)

    waiting = [asyncio.ensure_future(narrow.transact(note(number))) for number in range(3)]
    await until(lambda: narrow.waiting == 3)
    occupied.release.set()
    await asyncio.gather(*waiting)

    assert order == [0, 1, 2]


async def test_a_unit_that_waits_past_its_deadline_is_refused_and_never_runs(narrow, occupied):
    with pytest.raises(Refusal) as caught:
        await _insert(narrow, 1, timeout_s=0.02)

    assert (caught.value.kind, caught.value.reason) == (Kind.LATE, "DEADLINE_EXCEEDED")
    assert narrow.waiting == 0
    occupied.release.set()
    await occupied.task
    assert await narrow.read(ITEMS) == []


async def test_the_deadline_of_the_call_holds_for_waiting_too(narrow, occupied):
    with in_call(timeout_s=0.02), pytest.raises(Refusal, match="deadline"):
        await _insert(narrow, 1, timeout_s=60)

    assert narrow.waiting == 0


@pytest.mark.parametrize("timeout_s", [0, -1])
async def test_a_unit_that_comes_too_late_is_not_even_queued(narrow, timeout_s):
    with in_call(timeout_s=timeout_s), pytest.raises(Refusal, match="deadline"):
        await narrow.transact(run("INSERT INTO item (id) VALUES (1)"))

    assert await narrow.read(ITEMS) == []


async def test_whoever_leaves_the_queue_gives_the_place_back(narrow, occupied):
    for _ in range(50):
        waiting = [_insert(narrow, number) for number in range(3)]
        await until(lambda: narrow.waiting == 3)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert narrow.waiting == 0
    last = [_insert(narrow, number) for number in range(10, 13)]
    await until(lambda: narrow.waiting == 3)
    occupied.release.set()
    await asyncio.gather(*last)

    assert await narrow.read(ITEMS) == [10, 11, 12]
    # No more tokens than the longest queue, however many came and went.
    assert narrow._writers._tokens.qsize() <= 3


async def test_one_after_the_other_is_never_refused(database_url):
    database = Database.open(database_url, pool=1, queue=1)

    for number in range(200):
        assert await database.read(lambda connection, number=number: number) == number

    await database.close()


async def test_close_answers_those_that_wait_and_lets_the_running_one_end(narrow, occupied):
    waiting = _insert(narrow, 1)
    await until(lambda: narrow.waiting == 1)
    closing = asyncio.ensure_future(narrow.close())

    with pytest.raises(Refusal) as caught:
        await waiting
    with pytest.raises(Refusal) as late:
        await _insert(narrow, 2)
    occupied.release.set()
    await closing

    assert await occupied.task == "done"
    assert {caught.value.reason, late.value.reason} == {"DRAINING"}


async def test_close_cancels_what_outlasts_the_grace(database_url):
    from tests.data.signals import FOREVER

    database = Database.open(database_url, pool=1)
    entered = threading.Event()

    def work(connection: sa.Connection) -> None:
        entered.set()
        connection.execute(sa.text(FOREVER[connection.dialect.name]))

    task = asyncio.ensure_future(database.read(work))
    await until(entered.is_set)

    await database.close(grace_s=0.05)

    with pytest.raises(Refusal, match="about to stop"):
        await task
    assert database.running == 0
