"""Account paths: what they name, in the domain, in SQL and over the contract."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bedplate.client.errors import InvalidArgument, NotFound
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import AccountType, group_of, parse_path
from bedplate.services.ledger.store import books
from tests.services.ledger.bookkeeping import LEDGER, Bookkeeper, account
from tests.services.ledger.office import Office
from tests.services.ledger.test_handlers import open_books, refused

NAMED = [
    ("assets", "assets", True),
    ("assets", "assets:cash", False),
    ("assets:*", "assets:cash", True),
    ("assets:*", "assets", False),
    ("assets:*", "assets:bank:eur", False),
    ("assets:*", "assets-old:cash", False),
    ("assets:**", "assets:bank:eur", True),
    ("assets:**", "assets:cash", True),
    ("assets:**", "assets", False),
    ("assets:*:**", "assets:cash", False),
    ("assets:*:**", "assets:bank:eur", True),
    ("assets:*:eur", "assets:bank:eur", True),
    ("assets:*:eur", "assets:bank:usd", False),
    ("assets:*:eur", "assets:bank:eur:old", False),
    ("assets:*:eur:**", "assets:bank:eur:old", True),
    ("assets:*:eur:**", "assets:bank:x:eur:old", False),
    ("*:bank", "assets:bank", True),
    ("*:bank", "bank", False),
    ("*", "assets", True),
    ("*", "assets:bank", False),
    ("**", "assets", True),
    ("**", "assets:bank:eur", True),
    ("", "assets:bank:eur", True),
    ("*:*", "a:b", True),
    ("a:-b:.c", "a:-b:.c", True),
]

WRONG = [
    "assets:",
    ":assets",
    "assets::eur",
    "assets:b*",
    "**:eur",
    "assets:**:eur",
    "***",
    "assets:***",
    "as sets",
    "assets\n",
    "assets:**\n",
    "-a",
    "ässets",
    "a:%:c",
    "a" * 129,
]


@pytest.mark.parametrize(("path", "account_id", "named"), NAMED)
def test_a_path_names_what_its_segments_say(path, account_id, named):
    assert parse_path(path).matches(account_id) is named


@pytest.mark.parametrize("path", WRONG)
def test_what_is_no_path_is_refused_with_the_fix(path):
    with pytest.raises(Refusal) as refused:
        parse_path(path)

    assert refused.value.reason == "INVALID_REQUEST"
    assert refused.value.violations[0].field == "account_path"
    assert "a wildcard is a whole segment" in refused.value.violations[0].sentence


@pytest.mark.parametrize(
    ("depth", "group"),
    [(0, ""), (1, "assets"), (2, "assets:bank"), (3, "assets:bank:eur"), (9, "assets:bank:eur")],
)
def test_a_group_is_the_first_segments(depth, group):
    assert group_of("assets:bank:eur", depth) == group


# Names next to each other in the order of bytes, with what sorts before and after a colon.
SEGMENT = st.sampled_from(["a", "b", "a-b", "a.b", "a0", "A", "_", "ab", "z"])
ID = st.lists(SEGMENT, min_size=1, max_size=4).map(":".join)
PATH = st.builds(
    lambda segments, deep: ":".join([*segments, *(["**"] if deep else [])]),
    st.lists(st.one_of(SEGMENT, st.just("*")), min_size=1, max_size=4),
    st.booleans(),
)


@settings(max_examples=500, deadline=None)
@given(PATH, ID)
def test_what_a_path_names_is_within_its_bounds(text, account_id):
    path = parse_path(text)
    low, high = path.bounds

    if path.matches(account_id):
        assert low <= account_id < high
    if path.deep and len(path.first_names) == len(path.segments):
        assert path.matches(account_id) == (low <= account_id < high), "the bounds alone tell"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(ids={"a", "a:b", "a-b", "a.b:a", "a0", "a:b:a", "a:b:ab"}, wanted=["a", "a:**", "*:b:**", "a:*:ab"])
@given(ids=st.sets(ID, max_size=25), wanted=st.lists(PATH, min_size=1, max_size=8))
async def test_the_store_lists_what_the_path_names_page_by_page(ledger_database, ids, wanted):
    keeper = await Bookkeeper(ledger_database).open(*(account(each) for each in ids))
    for text in [*wanted, "**"]:
        path = parse_path(text)
        listed: list[str] = []

        def page(connection, path=path, listed=listed):
            return books.list_accounts(
                connection,
                keeper.tenant_id,
                LEDGER,
                path=path,
                types=AccountType,
                after=listed[-1] if listed else "",
                limit=2,
            )

        while found := await keeper.database.read(page):
            listed += [each.account_id for each in found]

        assert listed == sorted(each for each in ids if path.matches(each)), text


async def test_accounts_are_listed_by_path_over_the_contract(office: Office):
    caller = await open_books(office.caller())
    for name in ("assets:bank:eur", "assets:bank:usd", "assets:cash", "assets"):
        made = pb.Account(
            account_id=name, type=pb.ACCOUNT_TYPE_ASSET, currency=pb.Currency(code="EUR", scale=2)
        )
        await caller.ledger.create_account(ledger_id="main", account=made)

    async def listed(path: str, **more: object) -> list[str]:
        found = caller.ledger.list_accounts(ledger_id="main", account_path=path, page_size=1, **more)
        return [each.account_id async for each in found]

    assert await listed("assets:**") == ["assets:bank:eur", "assets:bank:usd", "assets:cash"]
    assert await listed("*:*:eur") == ["assets:bank:eur"]
    assert await listed("*") == ["assets", "cash", "sales"]
    assert await listed("**", types=[pb.ACCOUNT_TYPE_INCOME]) == ["sales"]
    assert await listed("liabilities:**") == []


@pytest.mark.parametrize("path", WRONG)
@pytest.mark.parametrize("method", ["list_accounts", "aggregate_balances"])
async def test_no_path_is_refused_over_the_contract_before_anything_is_read(sqlite_office, method, path):
    ledger = sqlite_office.caller().ledger

    call = getattr(ledger, method)(ledger_id="nowhere", account_path=path)

    error = await refused(call.page(), InvalidArgument, "INVALID_REQUEST", "account_path")

    if len(path) <= 128:
        assert "a wildcard is a whole segment" in error.violations[0].sentence


async def test_a_page_of_one_path_is_no_page_of_another(office: Office):
    caller = await open_books(office.caller())
    first = await caller.ledger.list_accounts(ledger_id="main", account_path="*", page_size=1).page()
    other = caller.ledger.list_accounts(ledger_id="main", account_path="**", page_token=first.next_page_token)

    await refused(
        other.page(),
        InvalidArgument,
        "PAGE_TOKEN_INVALID",
        "page_token",
    )


async def test_a_path_names_accounts_of_the_callers_ledger_only(office: Office):
    await open_books(office.caller())

    theirs = office.caller().ledger.list_accounts(ledger_id="main", account_path="**")

    await refused(theirs.page(), NotFound, "LEDGER_NOT_FOUND", "ledger_id")
