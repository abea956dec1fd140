"""Any sequence of calls, against a model of thirty lines."""

import random
from dataclasses import dataclass, field

import pytest

from bedplate.errors import Kind, Refusal
from tests.records.shop import Shop

HOUR_S = 3600
STEPS = 120
AFTER_REFUSAL = {"written", "kept"}  # where a sale that is refused never comes
FAILURES = {"bug": "INTERNAL", "busy": "TILL_BUSY"}


@dataclass
class Model:
    """What must be told: the first answer to each call, as long as it is kept."""

    kept: dict[tuple[str, str, str], tuple[float, tuple[str, int], tuple[str, str]]] = field(
        default_factory=dict
    )
    sold_out: bool = False
    sales: int = 0

    def expected(
        self, key: tuple[str, str, str], body: tuple[str, int], now_s: float, fails: str
    ) -> tuple[str, str] | None:
        """Reason and id of the sale that are kept; None: the call has an effect, or fails for now."""
        until_s, first, answer = self.kept.get(key, (0.0, body, ("", "")))
        if until_s > now_s:
            return answer if first == body else ("IDEMPOTENCY_KEY_REUSED", "")
        return (FAILURES[fails], "") if fails else None


@pytest.mark.parametrize("seed", range(3))
async def test_any_sequence_of_calls_is_answered_as_the_model_says(
    shop: Shop, other: Shop, seed: int
) -> None:
    chance = random.Random(seed)
    model, now_s, item = Model(), 0.0, f"rare-{shop.tenant}"
    for _ in range(STEPS):
        match chance.randrange(8):
            case 0:
                model.sold_out = not model.sold_out
                await shop.set_sold_out(item, model.sold_out)
                continue
            case 1:
                seconds = chance.choice([60, HOUR_S / 2, HOUR_S])
                now_s += seconds
                shop.clock.advance(seconds)
                continue
            case 2:
                await chance.choice([shop, other]).outcomes.sweep()
                continue
        where = chance.choice([shop, other])
        who = chance.choice(["clerk", "colleague", "stranger"])
        key = (who, chance.choice("ab"), chance.choice(["Sell", "SellHourly"]))
        body = (chance.choice(["tea", item]), chance.randrange(2))
        fails = chance.choice(["", "", "", "bug", "busy"])
        point = chance.choice(["entered", "begun", "written", "kept"])
        where.handlers.points = {point: failing(fails)} if fails else {}

        answer = await where.sell(key[1], method=key[2], key=key[0], item=body[0], amount_minor=body[1])

        told = (answer.reason, answer.sale_id if answer.reason == "OK" else "")
        expected = model.expected(key, body, now_s, fails)
        refused = body[0] == item and model.sold_out
        if expected is None or (refused and point in AFTER_REFUSAL and expected[0] in FAILURES.values()):
            assert told[0] == ("SOLD_OUT" if refused else "OK")
            assert not answer.replayed
            model.sales += told[0] == "OK"
            keep_s = HOUR_S if key[2] == "SellHourly" else 24 * HOUR_S
            model.kept[key] = (now_s + keep_s, body, told)
        else:
            assert told == expected
            assert answer.replayed is (told[0] in ("OK", "SOLD_OUT"))
        assert len(await shop.sold()) == model.sales


def failing(how: str):
    def action() -> None:
        if how == "bug":
            raise RuntimeError("a bug")
        raise Refusal(Kind.UNAVAILABLE, "TILL_BUSY", "Try again.")

    return action
