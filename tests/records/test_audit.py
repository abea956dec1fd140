"""Who did what leaves a record, with the change or without one, and never without the change."""

import asyncio
import json
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from bedplate.client.errors import Unavailable
from bedplate.contract.policy import PolicyError
from bedplate.data import Database
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts
from bedplate.records.audit import delete_before, writing
from bedplate.settings import Settings
from tests.pipeline.making import READER, Anyone, Made
from tests.pipeline.running import fail, run
from tests.protos import field
from tests.records.recorded import made, records

POLICY = 'auth { all_scopes: "x.read" } audit { enabled: true }'
SECRET = field("secret", 2, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }")


@pytest.fixture
async def shelf(database: Database) -> Database:
    """A database with a table of its own."""
    await database.transact(lambda connection: connection.execute(sa.text("CREATE TABLE shelf (item TEXT)")))
    return database


def put(connection: sa.Connection, item: str) -> None:
    connection.execute(sa.text("INSERT INTO shelf VALUES (:item)"), {"item": item})


async def items(database: Database) -> list[str]:
    return await database.read(
        lambda connection: list(connection.execute(sa.text("SELECT item FROM shelf")).scalars())
    )


async def test_a_call_leaves_who_what_when_from_where_and_the_result(database: Database):
    method = await made(database, POLICY, fields=SECRET)

    await run(method.method, method.call(), method.payload(secret="s3cr3t-value"))

    (record,) = await records(database)
    assert (record.principal_id, record.tenant_id) == (READER.id, READER.tenant)
    assert (record.method, record.door, record.peer) == (method.method.name, "grpc", "ipv4:127.0.0.1:1")
    assert (record.code, record.reason) == ("OK", "")
    assert json.loads(record.request) == {"text": "hi", "secret": "[redacted]"}
    assert len(record.trace_id) == 32
    assert record.time_us > 1_700_000_000_000_000


async def test_the_record_is_committed_with_the_change(shelf: Database):
    seen: list[int] = []

    async def handler(request, call: Call):
        def work(connection: sa.Connection) -> None:
            put(connection, request.text)

        await shelf.transact(work)
        seen.append(len(await records(shelf)))
        return type(request)()

    method = await made(shelf, POLICY, handler=handler)
    await run(method.method, method.call(), method.payload())

    assert seen == [1], "the record was not there when the change was"
    assert len(await records(shelf)) == 1


async def test_a_change_whose_record_cannot_be_written_is_not_made(
    shelf: Database, caplog: pytest.LogCaptureFixture
):
    async def handler(request, call: Call):
        await shelf.transact(lambda connection: put(connection, request.text))
        return type(request)()

    method = await made(shelf, POLICY, handler=handler)
    await shelf.transact(lambda connection: connection.execute(sa.text("DROP TABLE bedplate_audit")))

    assert (await fail(method.method, method.call(), method.payload())).code in ("INTERNAL", "UNAVAILABLE")
    await method.parts.audit.stop()  # type: ignore[union-attr]
    assert await items(shelf) == []
    assert "an audit record was not written" in caplog.text


async def test_a_read_whose_record_cannot_be_written_is_not_answered(database: Database):
    method = await made(database, POLICY)
    await database.transact(lambda connection: connection.execute(sa.text("DROP TABLE bedplate_audit")))

    assert (await fail(method.method, method.call(), method.payload())).code in ("INTERNAL", "UNAVAILABLE")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Refusal(Kind.CONFLICT, "IDEMPOTENCY_IN_PROGRESS", "no"), ("ABORTED", "IDEMPOTENCY_IN_PROGRESS")),
        (RuntimeError("s3cr3t"), ("INTERNAL", "INTERNAL")),
    ],
)
async def test_a_call_that_fails_leaves_a_record_of_that_and_no_change(shelf: Database, error, result):
    async def handler(request, call: Call):
        def work(connection: sa.Connection) -> None:
            put(connection, request.text)
            raise error

        await shelf.transact(work)

    method = await made(shelf, POLICY, handler=handler)

    await fail(method.method, method.call(), method.payload())
    await method.parts.audit.stop()  # type: ignore[union-attr]

    (record,) = await records(shelf)
    assert (record.code, record.reason) == result
    assert await items(shelf) == []
    assert "s3cr3t" not in record.request


async def test_a_call_that_fails_after_its_change_leaves_both(shelf: Database):
    async def handler(request, call: Call):
        await shelf.transact(lambda connection: put(connection, request.text))
        raise RuntimeError

    method = await made(shelf, POLICY, handler=handler)

    await fail(method.method, method.call(), method.payload())
    await method.parts.audit.stop()  # type: ignore[union-attr]

    assert [record.code for record in await records(shelf)] == ["OK", "INTERNAL"]
    assert await items(shelf) == ["hi"]


async def test_a_call_that_is_ended_leaves_a_record(database: Database):
    began = asyncio.Event()

    async def handler(request, call: Call):
        began.set()
        await asyncio.Event().wait()

    method = await made(database, POLICY, handler=handler)
    task = asyncio.create_task(run(method.method, method.call(), method.payload()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    late = await fail(method.method, method.call(requested_timeout_s=0.05), method.payload())
    await method.parts.audit.stop()  # type: ignore[union-attr]

    assert late.code == "DEADLINE_EXCEEDED"
    assert sorted(record.code for record in await records(database)) == ["CANCELLED", "DEADLINE_EXCEEDED"]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("away"),
        Refusal(Kind.STATE, "NOBODY_DECLARED_THIS", "no"),
        Refusal(Kind.NOT_FOUND, "DRAINING", "declared with another code"),
    ],
    ids=["dependency", "undeclared", "other code"],
)
async def test_a_record_says_what_the_caller_was_told(database: Database, error: Exception):
    async def handler(request, call: Call):
        raise error

    method = await made(database, POLICY, handler=handler)

    told = await fail(method.method, method.call(), method.payload())
    await method.parts.audit.stop()  # type: ignore[union-attr]

    (record,) = await records(database)
    assert (record.code, record.reason) == (told.code, told.reason)
    assert json.loads(record.request) == {"text": "hi"}


async def test_a_call_that_the_end_of_the_process_cuts_off_is_recorded_as_unknown(database: Database):
    began = asyncio.Event()

    async def handler(request, call: Call):
        began.set()
        await asyncio.Event().wait()

    method = await made(database, POLICY, handler=handler)
    call = method.call()
    task = asyncio.create_task(fail(method.method, call, method.payload()))
    await began.wait()
    call.stopped = True
    task.cancel()
    told = await task
    await method.parts.audit.stop()  # type: ignore[union-attr]

    (record,) = await records(database)
    assert (record.code, record.reason) == (told.code, told.reason) == ("UNAVAILABLE", "OUTCOME_UNKNOWN")


async def test_an_answer_that_is_refused_leaves_a_record_of_that_too(shelf: Database):
    async def handler(request, call: Call):
        await shelf.transact(lambda connection: put(connection, request.text))
        return type(request)(text="x" * 100)

    method = await made(shelf, f"{POLICY} limits {{ response_bytes: 50 }}", handler=handler)

    told = await fail(method.method, method.call(), method.payload())
    await method.parts.audit.stop()  # type: ignore[union-attr]

    assert told.reason == "MESSAGE_TOO_LARGE"
    assert [record.reason for record in await records(shelf)] == ["", "MESSAGE_TOO_LARGE"]


async def test_who_may_not_call_leaves_none(database: Database):
    method = await made(database, POLICY, principal=replace(READER, scopes=frozenset()))

    assert (await fail(method.method, method.call(), method.payload())).reason == "SCOPE_MISSING"
    await method.parts.audit.stop()  # type: ignore[union-attr]

    assert await records(database) == []


async def test_a_record_never_changes_and_goes_when_it_is_old(database: Database):
    method = await made(database, POLICY)
    await run(method.method, method.call(), method.payload())
    (record,) = await records(database)

    with pytest.raises(exc.DatabaseError):
        await database.transact(
            lambda connection: connection.execute(sa.text("UPDATE bedplate_audit SET code = 'NOT_FOUND'"))
        )
    await database.transact(writing(replace(record, record_id="old", time_us=5)))
    assert await database.transact(lambda connection: delete_before(connection, 6)) == 1

    assert await records(database) == [record]


async def test_a_tenant_sees_its_own_records_only(database: Database):
    method = await made(database, POLICY)
    await run(method.method, method.call(), method.payload())

    assert await records(database, "tenant-b") == []


def test_without_a_database_nothing_is_promised():
    with pytest.raises(PolicyError, match="audit needs a database"):
        Made(POLICY, parts=Parts(authenticator=Anyone(READER), settings=Settings()))


@pytest.mark.parametrize("mode", ["OBSERVE", "PROPAGATE"])
async def test_a_call_without_an_end_leaves_a_record(database: Database, mode: str):
    method = await made(database, f"{POLICY} deadline {{ mode: DEADLINE_MODE_{mode} }}")

    assert await run(method.method, method.call(), method.payload())

    assert [record.code for record in await records(database)] == ["OK"]
