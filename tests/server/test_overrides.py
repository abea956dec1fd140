"""Overrides tighten at once and everywhere, end in time, survive a restart, and never loosen."""

import asyncio
import json
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from bedplate.contract.promises import Rate, RateScope
from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.errors import Refusal
from bedplate.policy.layers import Layer, parse_options
from bedplate.records import overrides as store
from bedplate.records import tables
from bedplate.records.apart import Store
from bedplate.records.overrides import StoredOverride
from bedplate.server.overrides import LIFE_MAX_S, Overrides
from bedplate.v1 import policy_pb2
from tests.pipeline.making import READ, Made
from tests.pipeline.running import fail, run

HOUR = 3600.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_us = 1_000_000_000

    def __call__(self) -> int:
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_us += int(seconds * 1e6)


class Process:
    """A process with one method, on a database."""

    def __init__(self, database: Store, clock: Clock, made: Made, *layers: Layer) -> None:
        self.made = made
        self.number = count(1)
        self.overrides = Overrides(database, {made.method.name: made.method}, layers, clock=clock)

    async def set(
        self,
        values: dict[str, Any] | policy_pb2.MethodPolicy,
        *,
        life_s: float = HOUR,
        target: str = "",
        override_id: str = "",
    ) -> str:
        options = parse_options(values, where="test") if isinstance(values, dict) else values
        target = target or self.made.method.name
        override_id = override_id or f"o{next(self.number)}"
        found = await self.overrides.set(
            override_id, target, options, life_s=life_s, note="why not", by="key:op"
        )
        return found.override_id

    async def reason(self) -> str:
        """Why the method refuses; `OK` when it answers."""
        try:
            await run(self.made.method, self.made.call(), self.made.payload())
        except Exception as error:
            return str(getattr(error, "reason", error))
        return "OK"


OFF = {"rollout": {"percent": 0}}


@pytest.fixture
async def migrated(database: Database) -> Database:
    await asyncio.to_thread(migrate, database, tables.NAME, tables.SCHEMA)
    return database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(migrated: Database, clock: Clock) -> Process:
    return Process(migrated, clock, Made(f"{READ} deadline {{ max {{ seconds: 20 }} }}"))


async def test_a_method_is_switched_off_until_the_override_ends(process: Process, clock: Clock):
    await process.set(OFF, life_s=60)
    assert await process.reason() == "METHOD_DISABLED"

    clock.pass_s(59.9)
    await process.overrides.refresh()
    assert await process.reason() == "METHOD_DISABLED"

    clock.pass_s(0.2)
    await process.overrides.refresh()
    assert await process.reason() == "OK"


async def test_an_override_of_a_service_counts_for_its_methods(process: Process):
    await process.set(OFF, target=process.made.method.name.partition("/")[0])

    assert await process.reason() == "METHOD_DISABLED"


async def test_who_clears_it_ends_it_and_both_are_kept(process: Process):
    override_id = await process.set(OFF)

    cleared = await process.overrides.clear(override_id, by="key:boss")

    assert await process.reason() == "OK"
    assert (cleared.set_by, cleared.note, cleared.cleared_by) == ("key:op", "why not", "key:boss")
    assert await process.overrides.clear(override_id, by="key:late") == cleared
    assert await process.overrides.list(after=(0, ""), limit=10) == [cleared]


async def test_it_survives_a_restart_and_is_taken_up_by_others(process: Process, migrated, clock):
    await process.set(OFF)
    other = Process(migrated, clock, process.made)
    process.made.method.apply(Made(READ).method.policy)

    await other.overrides.start()
    assert await other.reason() == "METHOD_DISABLED"
    await other.overrides.stop()


async def test_overrides_lie_over_each_other_in_their_order(process: Process):
    await process.set({"deadline": {"max": "10s"}})
    second = await process.set({"deadline": {"max": "3s"}})
    assert process.made.method.policy.deadline_max_s == 3

    await process.overrides.clear(second, by="key:op")
    assert process.made.method.policy.deadline_max_s == 10


@pytest.mark.parametrize(
    ("values", "option"), [({"deadline": {"max": "21s"}}, "deadline.max"), ({"slo": {"p99": "1s"}}, "slo")]
)
async def test_what_would_loosen_is_refused_with_the_line_and_nothing_changes(
    process: Process, values: dict[str, Any], option: str
):
    with pytest.raises(Refusal) as refused:
        await process.set(values)

    assert (refused.value.reason, refused.value.facts["option"]) == ("OVERRIDE_REFUSED", option)
    assert refused.value.facts["forbidden_by"]
    assert await process.overrides.list(after=(0, ""), limit=10) == []
    assert process.made.method.policy.deadline_max_s == 20


async def test_the_policy_file_forbids_as_the_contract_does(migrated: Database, clock: Clock):
    made = Made(READ)
    layer = Layer("policy.toml", made.method.name, parse_options({"deadline": {"max": "5s"}}, where="x"))
    process = Process(migrated, clock, made, layer)

    with pytest.raises(Refusal) as refused:
        await process.set({"deadline": {"max": "6s"}})

    assert refused.value.facts["forbidden_by"] == "deadline.max: 5 s (policy.toml)"


@pytest.mark.parametrize(
    ("values", "life_s", "target", "field"),
    [
        (OFF, 0, "", "duration"),
        (OFF, LIFE_MAX_S + 1, "", "duration"),
        ({}, HOUR, "", "override.options"),
        (policy_pb2.MethodPolicy(rate=policy_pb2.RatePolicy()), HOUR, "", "override.options.rate"),
        (OFF, HOUR, "nobody.v1.S/Do", "override.target"),
        ({"visibility": "VISIBILITY_INTERNAL"}, HOUR, "", "override.options.visibility"),
        ({"rollout": {"percent": -1}}, HOUR, "", "override.options"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(process: Process, values, life_s, target, field):
    with pytest.raises(Refusal) as refused:
        await process.set(values, life_s=life_s, target=target)

    assert refused.value.reason == "INVALID_REQUEST"
    assert [violation.field for violation in refused.value.violations] == [field]


UNFIT = {
    "a field that the request has not": {
        "auth": {"relation": {"field": "owner_id", "object_type": "thing", "relation": "owner"}}
    },
    "a bucket whose holders are others": {
        "rate": {"per_second": 1, "burst": 1, "cost": 1, "bucket": "shared", "per": "RATE_SCOPE_TENANT"}
    },
}


@pytest.mark.parametrize("values", UNFIT.values(), ids=UNFIT.keys())
async def test_what_no_stage_could_keep_is_refused_and_not_stored(process: Process, values: dict[str, Any]):
    shared = Rate(1, "shared", 10.0, 10, RateScope.PRINCIPAL)
    process.made.parts.quota.claim("test.v1.Other/Do", shared)

    with pytest.raises(Refusal) as refused:
        await process.set(values)

    assert refused.value.reason == "INVALID_REQUEST"
    assert [violation.field for violation in refused.value.violations] == ["override.options"]
    assert await process.overrides.list(after=(0, ""), limit=10) == []
    assert await process.reason() == "OK"


LATER = {"an option of a later version": {"from_next_year": {"on": True}}}


@pytest.mark.parametrize("values", (UNFIT | LATER).values(), ids=(UNFIT | LATER).keys())
async def test_one_that_this_server_cannot_keep_stops_no_start_and_no_other(
    process: Process,
    migrated: Database,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, Any],
):
    shared = Rate(1, "shared", 10.0, 10, RateScope.PRINCIPAL)
    process.made.parts.quota.claim("test.v1.Other/Do", shared)
    kept = StoredOverride(
        "old", process.made.method.name, json.dumps(values), "", "key:op", clock(), clock() + 10**9
    )
    await migrated.transact(lambda connection: store.insert(connection, kept))

    await process.overrides.start()
    await process.overrides.stop()
    await process.set(OFF)

    assert "the override old does not count: " in caplog.text
    assert await process.reason() == "METHOD_DISABLED"


class Held:
    """A database whose first answer comes late."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.read_once, self.go_on = asyncio.Event(), asyncio.Event()
        self.transact = database.transact

    async def read(self, work: Any, *, timeout_s: float | None = None) -> Any:
        found = await self._database.read(work, timeout_s=timeout_s)
        if not self.read_once.is_set():
            self.read_once.set()
            await self.go_on.wait()
        return found


async def test_a_look_that_began_before_takes_nothing_back(migrated: Database, clock: Clock):
    held = Held(migrated)
    process = Process(held, clock, Made(READ))
    look = asyncio.create_task(process.overrides.refresh())
    await held.read_once.wait()

    await process.set(OFF)
    held.go_on.set()
    await look

    assert await process.reason() == "METHOD_DISABLED"


async def test_the_same_id_is_one_override_and_another_content_is_refused(process: Process):
    await process.set(OFF, override_id="stop")
    await process.set(OFF, override_id="stop")
    with pytest.raises(Refusal) as refused:
        await process.set({"deadline": {"max": "3s"}}, override_id="stop")

    assert refused.value.reason == "OVERRIDE_EXISTS"
    assert len(await process.overrides.list(after=(0, ""), limit=10)) == 1
    assert process.made.method.policy.deadline_max_s == 20


async def test_there_is_no_override_of_that_id(process: Process):
    with pytest.raises(Refusal) as refused:
        await process.overrides.clear("o123", by="key:op")

    assert refused.value.reason == "OVERRIDE_NOT_FOUND"


async def test_one_that_fits_no_more_is_passed_over_and_told_of(process: Process, migrated, clock, caplog):
    await process.set({"deadline": {"max": "10s"}})
    await process.set(OFF)
    stricter = Layer(
        "policy.toml", process.made.method.name, parse_options({"deadline": {"max": "5s"}}, where="x")
    )

    again = Process(migrated, clock, process.made, stricter)
    await again.overrides.refresh()

    assert "does not count: override" in caplog.text
    assert again.made.method.policy.deadline_max_s == 5
    assert await again.reason() == "METHOD_DISABLED"


async def test_what_is_known_ends_in_time_when_the_database_does_not_tell(
    process: Process, migrated: Database, clock: Clock
):
    await process.set(OFF, life_s=60)
    await migrated.transact(lambda connection: connection.execute(sa.text("DROP TABLE bedplate_overrides")))

    with pytest.raises(Exception, match="bedplate_overrides"):
        await process.overrides.refresh()
    assert await process.reason() == "METHOD_DISABLED"
    clock.pass_s(61)
    with pytest.raises(Exception, match="bedplate_overrides"):
        await process.overrides.refresh()
    assert await process.reason() == "OK"


async def test_calls_that_run_keep_the_policy_they_began_with(migrated: Database, clock: Clock):
    began, go_on = asyncio.Event(), asyncio.Event()

    async def handler(request: Any, call: Any) -> Any:
        began.set()
        await go_on.wait()
        return type(request)(text="done")

    process = Process(migrated, clock, Made(READ, handler=handler))
    made = process.made
    running = asyncio.create_task(run(made.method, made.call(), made.payload()))
    await began.wait()
    await process.set(OFF)
    go_on.set()

    assert (await running)[0].text == "done"
    assert (await fail(made.method, made.call(), made.payload())).reason == "METHOD_DISABLED"


async def test_two_that_fit_alone_and_not_together_stop_no_start(
    migrated: Database, clock: Clock, caplog: pytest.LogCaptureFixture
):
    first = Made(READ)
    second = Made(READ, parts=first.parts)
    methods = {made.method.name: made.method for made in (first, second)}
    for number, (name, per) in enumerate(zip(methods, ("TENANT", "PRINCIPAL"), strict=True)):
        rate = {"perSecond": 1, "burst": 1, "cost": 1, "bucket": "shared", "per": f"RATE_SCOPE_{per}"}
        stored = StoredOverride(
            f"o{number}", name, json.dumps({"rate": rate}), "", "key:op", clock(), clock() + 60_000_000
        )
        await migrated.transact(lambda connection, stored=stored: store.insert(connection, stored))

    await Overrides(migrated, methods, (), clock=clock).refresh()

    assert [made.method.policy.rate is not None for made in (first, second)] == [True, False]
    assert "do not count" in caplog.text
