"""The relation that a method asks for is checked before anything is done or answered."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from bedplate.contract.policy import PolicyError
from bedplate.contract.promises import Relation
from bedplate.data import Database
from bedplate.pipeline.stage import Parts
from bedplate.records.relations import grant, revoke
from bedplate.settings import Settings
from tests.pipeline.making import READER, Anyone, Made
from tests.pipeline.running import detail, fail, run
from tests.protos import field
from tests.records.recorded import made

POLICY = """
    auth { all_scopes: "x.read" relation { field: "text" object_type: "account" relation: "viewer" } }
"""
VIEWER = Relation("text", "account", "viewer")


async def granted(database: Database, *, tenant: str = READER.tenant, relation: Relation = VIEWER) -> None:
    def work(connection: sa.Connection) -> bool:
        return grant(connection, tenant, READER.id, relation, "a1", now_us=1)

    assert await database.transact(work)


async def test_who_has_the_relation_is_answered_until_it_is_taken_away(database: Database):
    method = await made(database, POLICY)
    await granted(database)

    assert await run(method.method, method.call(), method.payload(text="a1"))

    await database.transact(lambda connection: revoke(connection, READER.tenant, READER.id, VIEWER, "a1"))
    assert (await fail(method.method, method.call(), method.payload(text="a1"))).reason == "RELATION_MISSING"


@pytest.mark.parametrize(
    ("principal", "object_id"),
    [
        (READER, "a2"),
        (READER, ""),
        (replace(READER, id="key:other"), "a1"),
        (replace(READER, tenant="tenant-b"), "a1"),
    ],
    ids=["another object", "no object", "another caller", "another tenant"],
)
async def test_everybody_else_gets_one_answer(database: Database, principal, object_id: str):
    method = await made(database, POLICY, principal=principal)
    await granted(database)

    failure = await fail(method.method, method.call(), method.payload(text=object_id))

    assert (failure.code, failure.reason) == ("PERMISSION_DENIED", "RELATION_MISSING")
    assert detail(failure, "ErrorInfo").metadata == {
        "relation": "viewer",
        "object_type": "account",
        "field": "text",
    }
    assert failure.status.message == "The caller is no viewer of this account, or there is none."


async def test_one_relation_is_not_another(database: Database):
    method = await made(database, POLICY)
    await granted(database, relation=replace(VIEWER, relation="owner"))

    assert (await fail(method.method, method.call(), method.payload(text="a1"))).reason == "RELATION_MISSING"


async def test_it_is_granted_once(database: Database):
    await made(database, POLICY)
    await granted(database)

    def again(connection: sa.Connection) -> tuple[bool, bool, bool]:
        return (
            grant(connection, READER.tenant, READER.id, VIEWER, "a1", now_us=2),
            revoke(connection, READER.tenant, READER.id, VIEWER, "a1"),
            revoke(connection, READER.tenant, READER.id, VIEWER, "a1"),
        )

    assert await database.transact(again) == (False, True, False)


@pytest.mark.parametrize("path", ["nothing", "text.below", "texts"])
def test_a_field_that_names_no_value_is_refused_at_start(path: str):
    with pytest.raises(PolicyError, match=r"auth\.relation\.field"):
        Made(
            POLICY.replace('"text"', f'"{path}"'),
            fields=field("texts", 2, "string", repeated=True),
            parts=Parts(authenticator=Anyone(READER), settings=Settings()),
        )
