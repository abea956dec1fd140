"""Units of work: what is committed, what is not, and how the two databases behave alike."""

import sqlalchemy as sa

from bedplate.data import Database


def _run(statement: str):
    return lambda connection: connection.execute(sa.text(statement)) and None


async def test_what_a_unit_wrote_is_there_when_it_has_returned(database: Database):
    await database.transact(_run("CREATE TABLE item (id INTEGER PRIMARY KEY)"))
    await database.transact(_run("INSERT INTO item VALUES (1)"))

    found = await database.read(
        lambda connection: connection.execute(sa.text("SELECT id FROM item")).scalars().all()
    )

    assert found == [1]
