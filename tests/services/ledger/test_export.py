"""LG-17: what is exported and imported again is the same ledger, whatever happened to it."""

import asyncio
import random

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bedplate.data import Database
from tests.services.ledger.exchange import as_bytes, export, restore, sizes_of, view
from tests.services.ledger.test_stateful import History

FAILED = {
    "transactions": [f"tx-{number}" for number in range(13)],
    "holds": [f"hold-{number}" for number in range(6)],
}


class ExportedHistory(History):
    """Random histories whose ledger is exported and imported at their end."""

    target: Database

    def teardown(self) -> None:
        super().teardown()
        self.run(self.compare())

    async def compare(self) -> None:
        records = await export(self.keeper)
        sizes = sizes_of(random.Random(len(records)), len(records))

        copy = await restore(self.target, records, sizes=sizes)

        assert as_bytes(await export(copy)) == as_bytes(records)
        # Not everything that has expired need be noted: whoever reads sees it expired.
        for keeper in (self.keeper, copy):
            await keeper.expire(now_us=self.now)
        assert await view(copy, self.now, FAILED) == await view(self.keeper, self.now, FAILED)
        assert await copy.audit() == len(self.reference.posted)
        assert as_bytes(await export(copy)) == as_bytes(await export(self.keeper))


def test_lg_17_every_history_is_the_same_after_an_export_and_an_import(ledger_url: str, other_url: str):
    """Byte for byte the same records again, from each database into the other; and so is all that is read."""
    with asyncio.Runner() as runner:

        async def opened() -> tuple[Database, Database]:
            return Database.open(ledger_url), Database.open(other_url)

        database, target = runner.run(opened())
        names = {"runner": runner, "database": database, "target": target}
        try:
            run_state_machine_as_test(
                type("ExportedHistory", (ExportedHistory,), names),
                settings=settings(
                    max_examples=12,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())
            runner.run(target.close())
