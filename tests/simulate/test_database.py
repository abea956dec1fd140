"""The simulated database: units of work between whose statements others run."""

import asyncio
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from bedplate.contract.scope import CURRENT
from bedplate.errors import Refusal
from bedplate.testing.simulate import (
    Faults,
    Process,
    Sabotage,
    SimulatedDatabase,
    SimulationError,
    SimulationFailed,
    Template,
    Unreachable,
    World,
    simulate,
)

TEMPLATE = Template.script("""
    CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
    CREATE TABLE entry (
        id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account, amount INTEGER NOT NULL
    );
    INSERT INTO account VALUES ('a', 100), ('b', 100);
    CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries stay'); END;
    CREATE TABLE log (line TEXT NOT NULL);
    CREATE TRIGGER account_logged AFTER UPDATE ON account WHEN NEW.balance <> OLD.balance
    BEGIN INSERT INTO log VALUES (OLD.id || OLD.balance || '-' || NEW.balance); END;
""")
ACCOUNT = sa.table("account", sa.column("id"), sa.column("balance"))
QUIET = Faults(slow=0, contended=0, unknown=0)
SEEDS = range(200)


def balance(connection: sa.Connection, account: str = "a", lock: str = "") -> int:
    query = f"SELECT balance FROM account WHERE id = ? {lock}"
    return connection.exec_driver_sql(query, (account,)).scalar_one()


def set_balance(connection: sa.Connection, value: int, account: str = "a") -> None:
    connection.exec_driver_sql("UPDATE account SET balance = ? WHERE id = ?", (value, account))


def enter(connection: sa.Connection, entry: str, account: str = "a") -> int:
    text = "INSERT INTO entry VALUES (?, ?, 1) ON CONFLICT (id) DO NOTHING"
    return connection.exec_driver_sql(text, (entry, account)).rowcount


def withdraw(lock: str = "FOR UPDATE", amount: int = 60):
    def work(connection: sa.Connection) -> bool:
        left = balance(connection, lock=lock)
        if left < amount:
            return False
        set_balance(connection, left - amount)
        return True

    return work


def results(*works, seeds=SEEDS, **options) -> set:
    """What units of work return together, over all seeds; a refusal or an error by its name."""
    seen = set()

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, **{"faults": QUIET, **options})

        async def run(work):
            try:
                return await database.transact(work)
            except Refusal as refusal:
                return refusal.reason
            except sa.exc.DBAPIError as error:
                return type(error.orig).__name__

        seen.add(tuple(await asyncio.gather(*map(run, works))))

    simulate(scenario, seeds=seeds)
    return seen


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("faults", [QUIET, Faults(slow=0.3, contended=0.2, unknown=0)])
def test_of_two_withdrawals_that_lock_only_one_succeeds(serial, faults):
    found = results(withdraw(), withdraw(), serial=serial, faults=faults)

    assert found == {(True, False), (False, True)}


def test_without_a_lock_an_update_is_lost():
    assert (True, True) in results(withdraw(lock=""), withdraw(lock=""))


def test_without_a_lock_none_is_lost_where_writers_run_one_by_one():
    works = withdraw(lock=""), withdraw(lock="")

    assert results(*works, serial=True) == {(True, False), (False, True)}


def test_a_database_that_ignores_locks_on_purpose_loses_an_update():
    sabotage = Sabotage(without_locks_of=frozenset({"account"}))

    assert (True, True) in results(withdraw(), withdraw(), sabotage=sabotage)


@pytest.mark.parametrize("lock", ["FOR NO KEY UPDATE", "/* FOR UPDATE */", "for update;"])
def test_locks_are_asked_for_in_the_open_or_in_a_comment(lock):
    assert results(withdraw(lock), withdraw(lock)) == {(True, False), (False, True)}


def test_locks_that_sqlalchemy_writes_hold_too():
    def work(connection: sa.Connection) -> bool:
        query = sa.select(ACCOUNT.c.balance).where(ACCOUNT.c.id == "a").with_for_update()
        left = connection.execute(query).scalar_one()
        if left < 60:
            return False
        connection.execute(sa.update(ACCOUNT).where(ACCOUNT.c.id == "a").values(balance=left - 60))
        return True

    assert results(work, work) == {(True, False), (False, True)}


def test_shares_do_not_exclude_each_other_and_writers_wait_for_them():
    def both_read(connection: sa.Connection) -> tuple[int, int]:
        return balance(connection, lock="FOR SHARE"), balance(connection)

    assert results(both_read, both_read) == {((100, 100), (100, 100))}
    assert results(both_read, withdraw()) == {((100, 100), True), ((40, 40), True)}


def test_statements_see_what_was_committed_before_each_of_them_and_their_own():
    def reads_twice(connection: sa.Connection) -> tuple[int, int, int]:
        first, second = balance(connection), balance(connection)
        set_balance(connection, 7, "b")
        return first, second, balance(connection, "b")

    found = results(reads_twice, withdraw())

    assert found == {((100, 100, 7), True), ((100, 40, 7), True), ((40, 40, 7), True)}


def test_an_update_waits_for_the_row_and_goes_on_from_its_new_version():
    def takes(connection: sa.Connection) -> int:
        text = "UPDATE account SET balance = balance - 60 WHERE id = 'a' AND balance >= 60"
        return connection.exec_driver_sql(text).rowcount

    assert results(takes, takes) == {(1, 0), (0, 1)}


def test_an_insert_waits_for_an_open_one_of_the_same_key():
    def work(connection: sa.Connection) -> int:
        count = enter(connection, "same")
        balance(connection)
        return count

    def fails_after(connection: sa.Connection) -> int:
        enter(connection, "same")
        return connection.exec_driver_sql("SELECT missing FROM entry").scalar_one()

    assert results(work, work) == {(1, 0), (0, 1)}
    assert results(work, fails_after) == {(1, "OperationalError")}


def test_nowait_refuses_and_skip_locked_leaves_out_what_others_have_locked():
    def now(connection: sa.Connection) -> int:
        return balance(connection, lock="FOR UPDATE NOWAIT")

    def free(connection: sa.Connection) -> tuple[str, ...]:
        query = "SELECT id FROM account ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        return tuple(connection.exec_driver_sql(query).scalars())

    assert results(now, withdraw()) == {(100, True), (40, True), ("OperationalError", True)}
    assert results(free, free) == {(("a",), ("b",)), (("b",), ("a",)), (("a",), ("a",))}


def test_a_circle_of_those_who_wait_is_a_deadlock_and_one_runs_again():
    def moves(first: str, second: str):
        def work(connection: sa.Connection) -> bool:
            for account in (first, second):
                set_balance(connection, balance(connection, account, "FOR UPDATE") - 1, account)
            return True

        return work

    counts = set()

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        await asyncio.gather(database.transact(moves("a", "b")), database.transact(moves("b", "a")))
        assert database.look(lambda connection: (balance(connection), balance(connection, "b"))) == (98, 98)
        counts.add(database.deadlocks)

    simulate(scenario, seeds=SEEDS)

    assert counts == {0, 1}


def test_a_parent_that_is_referred_to_is_not_deleted_under_its_child():
    def delete(connection: sa.Connection) -> int:
        return connection.exec_driver_sql("DELETE FROM account WHERE id = 'a'").rowcount

    def child(connection: sa.Connection) -> int:
        count = enter(connection, "child")
        balance(connection, "b")
        return count

    assert results(child, delete) == {(1, "IntegrityError"), ("IntegrityError", 1)}


def test_an_error_ends_a_transaction_unless_it_is_in_a_savepoint():
    def goes_on(connection: sa.Connection) -> str:
        try:
            set_balance(connection, -1)
        except sa.exc.IntegrityError:
            return "went on"
        return ""

    def asks_again(connection: sa.Connection) -> int:
        goes_on(connection)
        return balance(connection)

    def saves(connection: sa.Connection) -> tuple[int, int]:
        set_balance(connection, 90)
        nested = connection.begin_nested()
        set_balance(connection, 5, "b")
        with pytest.raises(sa.exc.IntegrityError):
            set_balance(connection, -1)
        nested.rollback()
        return balance(connection), balance(connection, "b")

    with pytest.raises(SimulationFailed, match="the unit of work went on"):
        results(goes_on)
    assert results(asks_again) == {("InternalError",)}
    assert results(saves, withdraw("FOR UPDATE", 10)) == {((90, 100), True)}
    assert results(goes_on, serial=True) == {("went on",)}


def test_what_a_savepoint_locked_is_free_after_it():
    def work(connection: sa.Connection) -> bool:
        nested = connection.begin_nested()
        set_balance(connection, 1)
        nested.rollback()
        set_balance(connection, 2, "b")
        return True

    def other(connection: sa.Connection) -> bool:
        set_balance(connection, 3, "b")
        set_balance(connection, 4)
        return True

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        await asyncio.gather(database.transact(work), database.transact(other))
        assert database.look(balance) == 4
        deadlocks.add(database.deadlocks)

    deadlocks: set[int] = set()
    simulate(scenario, seeds=SEEDS)

    assert deadlocks == {0}


def test_triggers_fire_once_for_each_statement():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)

        async def takes(account: str) -> None:
            def work(connection: sa.Connection) -> None:
                for value in (90, 80):
                    set_balance(connection, value, account)

            await database.transact(work)

        await asyncio.gather(takes("a"), takes("b"))
        lines = database.look(lambda c: c.exec_driver_sql("SELECT line FROM log").scalars().all())
        assert sorted(lines) == ["a100-90", "a90-80", "b100-90", "b90-80"]
        await database.transact(lambda connection: enter(connection, "kept"))
        with pytest.raises(sa.exc.IntegrityError, match="entries stay"):
            await database.transact(lambda c: c.exec_driver_sql("DELETE FROM entry"))

    simulate(scenario, seeds=SEEDS)


def test_rows_of_a_table_without_a_key_are_numbered_again_when_others_were_first():
    def notes(name: str):
        def work(connection: sa.Connection) -> bool:
            connection.exec_driver_sql("INSERT INTO log VALUES (?)", (f"{name} 1",))
            connection.exec_driver_sql("INSERT INTO log VALUES (?)", (f"{name} 2",))
            connection.exec_driver_sql("UPDATE log SET line = ? WHERE line = ?", (f"{name} 3", f"{name} 1"))
            connection.exec_driver_sql("DELETE FROM log WHERE line = ?", (f"{name} 2",))
            return True

        return work

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        await asyncio.gather(*(database.transact(notes(name)) for name in ("x", "y", "z")))
        lines = database.look(lambda c: c.exec_driver_sql("SELECT line FROM log").scalars().all())
        assert sorted(lines) == ["x 3", "y 3", "z 3"]

    simulate(scenario, seeds=SEEDS)


def test_a_unit_that_reads_sees_one_snapshot_and_nothing_uncommitted():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=Faults(unknown=0))

        def moves(connection: sa.Connection) -> None:
            set_balance(connection, 50)
            set_balance(connection, 150, "b")

        async def look() -> None:
            def total(connection: sa.Connection) -> int:
                return balance(connection) + balance(connection, "b")

            for _ in range(3):
                assert await database.read(total) == 200

        await asyncio.gather(database.transact(moves), look())
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            await database.read(lambda connection: set_balance(connection, 1))
        with pytest.raises(sa.exc.OperationalError, match="cannot lock"):
            await database.read(lambda connection: balance(connection, lock="FOR SHARE"))
        query = "WITH both AS (SELECT balance FROM account) SELECT SUM(balance) FROM both"
        assert await database.read(lambda c: c.exec_driver_sql(query).scalar_one()) == 200

    simulate(scenario, seeds=SEEDS)


def test_a_serializable_unit_has_the_database_to_itself():
    def reads_twice(connection: sa.Connection) -> tuple[int, int]:
        return balance(connection), balance(connection)

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        twice, _ = await asyncio.gather(
            database.transact(reads_twice, serializable=True), database.transact(withdraw())
        )
        seen.add(twice)

    seen: set[tuple[int, int]] = set()
    simulate(scenario, seeds=SEEDS)

    assert seen == {(100, 100), (40, 40)}


def test_a_unit_that_does_something_else_when_it_runs_again_is_found():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE)
        calls = 0

        def work(connection: sa.Connection) -> None:
            nonlocal calls
            calls += 1
            enter(connection, f"entry-{calls}")
            balance(connection)

        await asyncio.gather(database.transact(work), database.transact(withdraw()))

    with pytest.raises(SimulationFailed, match="must do the same when it is run again") as caught:
        simulate(scenario)

    assert isinstance(caught.value.error, SimulationError)


def test_the_deadline_refuses_and_nothing_is_committed():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=Faults(slow=1, slow_s=10, unknown=0))
        try:
            await database.transact(lambda connection: set_balance(connection, 1), timeout_s=10)
        except Refusal as refusal:
            seen.add(refusal.reason)
            assert world.now_s == 10
            assert database.look(balance) == 100
        else:
            seen.add("done")
            assert database.look(balance) == 1
        with pytest.raises(Refusal, match="deadline"):
            await database.read(balance, timeout_s=0)

    seen: set[str] = set()
    simulate(scenario, seeds=SEEDS)

    assert seen == {"done", "DEADLINE_EXCEEDED"}


@dataclass
class Scope:
    deadline: float
    pending: list = field(default_factory=list)
    traceparent: str = ""
    credential: str = ""
    outcome: None = None


def test_the_calls_own_records_are_written_in_the_same_transaction_once():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE)
        scope = Scope(world.loop.time() + 1_000)
        CURRENT.set(scope)
        scope.pending.append(lambda connection: enter(connection, "record"))
        while scope.pending:
            try:
                await database.transact(withdraw())
            except Refusal:  # the outcome is unknown
                scope.pending.clear()
        count = database.look(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM entry").scalar_one())
        assert (count, database.look(balance)) in ((1, 40), (0, 100))

    simulate(scenario, seeds=SEEDS)


def test_a_crash_undoes_what_was_not_committed_and_lets_go_of_its_locks():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        server = Process(world, "server")
        world.at_some_step(server.crash, within=12)

        async def handler() -> bool:
            return await database.transact(withdraw())

        try:
            answered = await server.call(handler)
        except Unreachable:
            answered = None
        await asyncio.sleep(2)
        seen.add((answered, database.look(balance)))
        assert answered is None or database.look(balance) == 40
        await database.transact(lambda connection: set_balance(connection, 1))
        server.restart()
        await server.stop()

    seen: set[tuple[bool | None, int]] = set()
    simulate(scenario, seeds=range(500))

    assert seen == {(True, 40), (None, 100), (None, 40)}


def test_what_a_dead_process_does_in_its_finally_blocks_reaches_nobody():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        server = Process(world, "server")

        async def handler() -> None:
            try:
                await asyncio.sleep(5)
            finally:
                await database.transact(lambda connection: set_balance(connection, 1))

        asyncio.get_running_loop().call_later(1, server.crash)
        with pytest.raises(Unreachable):
            await server.call(handler)
        server.restart()
        await asyncio.sleep(5)
        await server.stop()
        assert database.look(balance) == 100

    simulate(scenario, seeds=SEEDS)


def test_a_commit_whose_answer_is_lost_happened_or_not():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=Faults(unknown=1))
        with pytest.raises(Refusal, match="may or may not have happened"):
            await database.transact(lambda connection: set_balance(connection, 1))
        seen.add(database.look(balance))

    seen: set[int] = set()
    simulate(scenario, seeds=SEEDS)

    assert seen == {1, 100}


def test_a_database_that_answers_early_on_purpose_loses_what_was_acknowledged():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, sabotage=Sabotage(answer_early=True), faults=QUIET)
        server = Process(world, "server")
        world.at_some_step(server.crash, within=15)

        async def handler() -> bool:
            return await database.transact(withdraw())

        try:
            acknowledged = await server.call(handler)
        except Unreachable:
            acknowledged = False
        await asyncio.sleep(1)
        assert not acknowledged or database.look(balance) == 40, "what was acknowledged is lost"

    with pytest.raises(SimulationFailed, match="what was acknowledged is lost"):
        simulate(scenario)


def test_what_must_hold_at_every_instant_is_checked_after_each_commit():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)

        def check(connection: sa.Connection) -> None:
            assert balance(connection) != 50, "never 50"

        database.always(check)
        await database.transact(lambda connection: set_balance(connection, 51))
        await database.transact(lambda connection: set_balance(connection, 50))
        await asyncio.sleep(100)

    with pytest.raises(SimulationFailed, match="never 50") as caught:
        simulate(scenario, seed=0)

    assert caught.value.trace[-1].time_s == 0


def test_every_run_begins_with_the_template():
    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, TEMPLATE, faults=QUIET)
        assert database.look(balance) == 100
        await database.transact(withdraw())
        raise ValueError

    for seed in (1, 1, 2):
        with pytest.raises(SimulationFailed, match="ValueError"):
            simulate(scenario, seed=seed)


def test_a_template_is_filled_before_it_is_used():
    template = Template.script("CREATE TABLE note (line TEXT)")
    template.fill(lambda connection: connection.exec_driver_sql("INSERT INTO note VALUES ('x')"))

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, template)
        count = "SELECT COUNT(*) FROM note"
        assert database.look(lambda c: c.exec_driver_sql(count).scalar_one()) == 1
        await database.close()

    simulate(scenario, seeds=range(2))
    with pytest.raises(AssertionError, match="before it is first used"):
        template.fill(lambda connection: None)


def test_triggers_of_views_and_tables_without_a_key_work():
    template = Template.script("""
        CREATE TABLE note (line TEXT);
        CREATE VIEW notes AS SELECT line FROM note;
        CREATE TRIGGER odd INSTEAD OF INSERT ON notes BEGIN INSERT INTO note VALUES (NEW.line); END;
    """)

    async def scenario(world: World) -> None:
        database = SimulatedDatabase(world, template, faults=QUIET)
        await database.transact(lambda c: c.exec_driver_sql("INSERT INTO notes VALUES ('x')"))
        assert database.look(lambda c: c.exec_driver_sql("SELECT line FROM note").scalars().all()) == ["x"]

    simulate(scenario, seed=0)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.id FROM account a JOIN entry e ON e.account = a.id FOR UPDATE",
        "SELECT id FROM account, entry FOR UPDATE",
        "UPDATE account SET balance = 1 /* FOR UPDATE SKIP LOCKED */",
    ],
)
def test_locks_of_which_the_rows_cannot_be_told_are_refused(query):
    with pytest.raises(SimulationFailed, match="Lock them with a SELECT from one table"):
        results(lambda connection: connection.exec_driver_sql(query).all(), seeds=[0])


def test_a_table_that_is_not_there_cannot_be_sabotaged():
    with pytest.raises(SimulationFailed, match="no such tables: acount"):
        results(withdraw(), sabotage=Sabotage(without_locks_of=frozenset({"acount"})), seeds=[0])
