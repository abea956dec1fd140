"""The statements, on both databases."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.data.migrate import migrate
from bedplate.data.postgresql import with_driver
from bedplate.services.rates import store
from bedplate.services.rates.domain import Leg, Published
from bedplate.services.rates.service import SERVICE
from bedplate.testing.databases import sqlite_url

D1, D2, D3, D4 = (date(2014, 3, 24) + timedelta(days=n) for n in range(4))
USD1, USD2, USD4 = (
    Published("USD", D1, "1.3774"),
    Published("USD", D2, "1.3789"),
    Published("USD", D4, "1.3758"),
)
JPY1, JPY2 = Published("JPY", D1, "141.00"), Published("JPY", D2, "141.31")
HRK1 = Published("HRK", D1, "7.652")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """A database with the tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("rates"))
        made = sa.make_url(url)
    else:
        url = request.getfixturevalue("postgres_server").create_database()
        made = with_driver(sa.make_url(url))
    assert SERVICE.schema is not None
    migrate(url, SERVICE.name, SERVICE.schema)
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection whose transaction is undone after the test."""
    with engine.connect() as opened:
        if engine.dialect.name == "sqlite":
            opened.exec_driver_sql("PRAGMA foreign_keys=ON")
        yield opened
        opened.rollback()


@pytest.fixture
def known(connection: sa.Connection) -> sa.Connection:
    """Two currencies with gaps and one that ended, of one tenant."""
    store.add_source(connection, "t", "ecb", base="EUR")
    store.add_rates(connection, "t", "ecb", [USD1, USD2, USD4, JPY1, JPY2, HRK1])
    return connection


def test_a_source_keeps_its_first_base(connection: sa.Connection):
    store.add_source(connection, "t", "ecb", base="EUR")
    store.add_source(connection, "t", "ecb", base="USD")

    assert store.base_of(connection, "t", "ecb") == "EUR"
    assert store.base_of(connection, "t", "boe") is None
    assert store.base_of(connection, "u", "ecb") is None


def test_adding_counts_what_is_new_and_keeps_what_is_known(known: sa.Connection):
    changed = Published("USD", D1, "9")

    created_count = store.add_rates(known, "t", "ecb", [changed, Published("USD", D3, "1.3782")])

    assert created_count == 1
    assert store.rate_on(known, "t", "ecb", quote="USD", day=D1) == Leg("1.3774", D1)


def test_a_rate_twice_in_one_batch_is_added_once(known: sa.Connection):
    new = Published("USD", D3, "1.3782")

    assert store.add_rates(known, "t", "ecb", [new, new]) == 1


def test_a_batch_of_the_largest_size_is_added(known: sa.Connection):
    batch = [Published("GBP", D1 + timedelta(days=n), "0.8" + str(n + 1)) for n in range(5000)]

    assert store.add_rates(known, "t", "ecb", batch) == 5000
    assert store.add_rates(known, "t", "ecb", batch) == 0


def test_rates_with_another_text_are_told_by_their_place(known: sa.Connection):
    offered = [USD1, Published("JPY", D1, "141"), Published("USD", D3, "1"), Published("HRK", D1, "8")]

    assert store.differing(known, "t", "ecb", offered) == [(1, "141.00"), (3, "7.652")]
    assert store.differing(known, "u", "ecb", offered) == []


def test_a_rate_belongs_to_a_source(connection: sa.Connection):
    with pytest.raises(sa.exc.IntegrityError):
        store.add_rates(connection, "t", "nobody", [USD1])


@pytest.mark.parametrize(
    ("quote", "day", "on", "latest"),
    [
        ("USD", D2, USD2, USD2),
        ("USD", D3, None, USD2),
        ("USD", D4, USD4, USD4),
        ("USD", D1 - timedelta(days=1), None, None),
        ("USD", date.max, None, USD4),
        ("HRK", D4, None, HRK1),
        ("CHF", D2, None, None),
    ],
)
def test_the_rate_of_a_day_and_the_latest_up_to_it(
    known: sa.Connection, quote: str, day: date, on: Published | None, latest: Published | None
):
    found_on = store.rate_on(known, "t", "ecb", quote=quote, day=day)
    found_latest = store.latest_rate(known, "t", "ecb", quote=quote, day=day)

    assert found_on == (on and Leg(on.value, on.day))
    assert found_latest == (latest and Leg(latest.value, latest.day))


def test_without_a_day_the_latest_is_the_last(known: sa.Connection):
    assert store.latest_rate(known, "t", "ecb", quote="JPY", day=None) == Leg("141.31", D2)
    assert store.last_day(known, "t", "ecb") == D4
    assert store.last_day(known, "t", "boe") is None


@pytest.mark.parametrize(
    ("base", "quote", "pair"),
    [
        ("USD", "JPY", (USD2, JPY2)),
        ("JPY", "USD", (JPY2, USD2)),
        ("USD", "HRK", (USD1, HRK1)),
        ("USD", "USD", (USD4, USD4)),
        ("USD", "CHF", None),
        ("CHF", "USD", None),
        ("CHF", "NOK", None),
    ],
)
def test_the_latest_day_of_two_currencies_is_one_on_which_both_have_a_rate(
    known: sa.Connection, base: str, quote: str, pair: tuple[Published, Published] | None
):
    found = store.latest_common(known, "t", "ecb", base=base, quote=quote)

    assert found == (pair and tuple(Leg(one.value, one.day) for one in pair))


def test_another_tenant_and_another_source_see_none_of_it(known: sa.Connection):
    for tenant, source in (("u", "ecb"), ("t", "boe"), ("", "ecb")):
        assert store.rate_on(known, tenant, source, quote="USD", day=D1) is None
        assert store.latest_rate(known, tenant, source, quote="USD", day=None) is None
        assert store.latest_common(known, tenant, source, base="USD", quote="JPY") is None
        assert store.last_day(known, tenant, source) is None
        assert store.list_rates(known, tenant, source, limit=10) == []


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ({}, [HRK1, JPY1, USD1, JPY2, USD2, USD4]),
        ({"limit": 2}, [HRK1, JPY1]),
        ({"quote": "USD"}, [USD1, USD2, USD4]),
        ({"quote": "CHF"}, []),
        ({"first": D2}, [JPY2, USD2, USD4]),
        ({"last": D1}, [HRK1, JPY1, USD1]),
        ({"first": D2, "last": D3, "quote": "USD"}, [USD2]),
        ({"after": (D1, "JPY")}, [USD1, JPY2, USD2, USD4]),
        ({"after": (D1, "JPY"), "last": D1}, [USD1]),
        ({"after": (D4, "USD")}, []),
    ],
)
def test_rates_are_listed_by_day_and_currency(
    known: sa.Connection, asked: dict[str, Any], listed: list[Published]
):
    assert store.list_rates(known, "t", "ecb", **{"limit": 10, **asked}) == listed


days = st.sets(st.integers(0, 30))


@settings(max_examples=60, deadline=None)
@given(days, days)
def test_the_latest_common_day_is_the_largest_of_the_intersection(ones: set[int], others: set[int]):
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE rates_rates (tenant_id text, source text, quote text, day text, value text,"
            " PRIMARY KEY (tenant_id, source, quote, day))"
        )
        for quote, numbers in (("USD", ones), ("JPY", others)):
            batch = [Published(quote, D1 + timedelta(days=n), "1") for n in numbers]
            store.add_rates(connection, "t", "ecb", batch)

        found = store.latest_common(connection, "t", "ecb", base="USD", quote="JPY")

    engine.dispose()
    common = ones & others
    assert (found and found[0].day) == (D1 + timedelta(days=max(common)) if common else None)
