"""Random transactions against the reference model: the ledger does what it does, on both databases."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bedplate.errors import Refusal
from bedplate.services.ledger.domain import (
    Balance,
    Books,
    Entry,
    Head,
    Mode,
    NewTransaction,
    Outcome,
    Side,
    post,
)
from tests.services.ledger.bookkeeping import EUR, JPY, NOW_US, Bookkeeper, account
from tests.services.ledger.reference import LARGEST, ReferenceLedger

# Few names and few amounts, some at the edge, so that limits, overflows and
# repeated ids happen often.
ACCOUNTS = {
    "bank": ("EUR", ""),
    "cash": ("EUR", ""),
    "purse": ("EUR", "debits"),
    "loan": ("EUR", "credits"),
    "yen": ("JPY", ""),
    "yen2": ("JPY", "debits"),
}
CURRENCIES = {"EUR": EUR, "JPY": JPY}
NAMES = st.sampled_from([*ACCOUNTS, "nowhere"])
AMOUNTS = st.one_of(st.integers(1, 20), st.sampled_from([LARGEST, LARGEST - 1, LARGEST // 2]))

Line = tuple[str, str, int]


@st.composite
def balanced(draw: st.DrawFn) -> list[Line]:
    """Lines that mostly can be posted."""
    amount = draw(AMOUNTS)
    debit, credit = draw(st.sampled_from([("EUR", "EUR"), ("JPY", "JPY")]).flatmap(_pair))
    lines = [(debit, "debit", amount), (credit, "credit", amount)]
    if amount > 1 and draw(st.booleans()):
        part = draw(st.integers(1, amount - 1))
        lines = [(debit, "debit", part), (debit, "debit", amount - part), (credit, "credit", amount)]
    return draw(st.permutations(lines))


def _pair(codes: tuple[str, str]) -> st.SearchStrategy[list[str]]:
    names = [name for name, (code, _) in ACCOUNTS.items() if code == codes[0]]
    return st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True)


ANYTHING = st.lists(st.tuples(NAMES, st.sampled_from(["debit", "credit"]), AMOUNTS), min_size=2, max_size=5)
LINES = st.one_of(balanced(), balanced(), ANYTHING)
TRANSACTION = st.tuples(st.integers(0, 12).map("tx-{}".format), LINES)
BATCH = st.tuples(
    st.lists(TRANSACTION, min_size=1, max_size=6, unique_by=lambda each: each[0]), st.booleans()
)
BATCHES = st.lists(BATCH, min_size=1, max_size=6)


def new(transaction_id: str, lines: list[Line]) -> NewTransaction:
    return NewTransaction(
        transaction_id, tuple(Entry(name, Side[side.upper()], amount) for name, side, amount in lines)
    )


def accounts():
    return [account(name, CURRENCIES[code], limit=limit) for name, (code, limit) in ACCOUNTS.items()]


def told(outcome: Outcome) -> str:
    """What became of a transaction; a refusal is told the same the second time."""
    if outcome.refusal is not None:
        return outcome.refusal.reason
    return "replayed" if outcome.replayed else "posted"


def expected(reference: ReferenceLedger, batch: list[tuple[str, list[Line]]], *, atomic: bool) -> list[str]:
    """What the reference says of a batch; of a refused atomic one only the refusal that ends it."""
    before = list(reference.posted)
    words = []
    for transaction_id, lines in batch:
        words.append(reference.post(transaction_id, lines))
        if atomic and words[-1] not in ("posted", "replayed"):
            reference.posted = before
            return [words[-1]]
    return words


@settings(max_examples=300, deadline=None)
@given(BATCHES)
def test_the_rules_agree_with_the_reference_model(batches):
    reference = ReferenceLedger(ACCOUNTS)
    balances = {each.account_id: Balance(each, 0, 0) for each in accounts()}
    posted, head, failures = {}, Head(0, 0), {}
    for batch, _ in batches:
        books = Books(head, dict(posted), dict(balances), failures=dict(failures))

        result = post([new(*each) for each in batch], books, NOW_US, Mode.INDEPENDENT)

        assert [told(outcome) for outcome in result.outcomes] == expected(reference, batch, atomic=False)
        head = result.head
        posted |= {each.transaction_id: each for each in result.transactions}
        failures |= {each.failed_id: each for each in result.failures}
        balances |= {each.account.account_id: each for each in result.balances}
    for name, balance in balances.items():
        assert (balance.debits_minor, balance.credits_minor) == reference.sums(name)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
async def test_the_stored_ledger_agrees_with_the_reference_model(ledger_database, batches):
    """LG-03, LG-05, LG-06, LG-08, LG-11 and LG-13 at once, one batch after the other."""
    reference = ReferenceLedger(ACCOUNTS)
    keeper = await Bookkeeper(ledger_database).open(*accounts())
    for batch, atomic in batches:
        words = expected(reference, batch, atomic=atomic)
        transactions = [new(*each) for each in batch]

        assert await keeper_says(keeper, transactions, atomic=atomic) == words

    assert await keeper.audit() == len(reference.posted)
    stored = [
        (each.transaction_id, [(e.account_id, e.side.name.lower(), e.amount_minor) for e in each.entries])
        for each in await keeper.transactions()
    ]
    assert stored == reference.posted
    for name in ACCOUNTS:
        balance = await keeper.balance(name)
        assert (balance.debits_minor, balance.credits_minor) == reference.sums(name)


async def keeper_says(keeper: Bookkeeper, transactions: list[NewTransaction], *, atomic: bool) -> list[str]:
    try:
        outcomes = await keeper.post(*transactions, mode=Mode.ATOMIC if atomic else Mode.INDEPENDENT)
    except Refusal as refusal:
        return [refusal.reason]
    return [told(outcome) for outcome in outcomes]
