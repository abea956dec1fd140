"""The service through its gRPC door and its typed client, on both databases."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from bedplate.client import CallError
from bedplate.clients.rates import AsyncRatesClient
from bedplate.rates.v1 import rates_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

MON, TUE, WED, SUN = "2014-03-24", "2014-03-25", "2014-03-26", "2014-03-30"


def rate(quote: str, day: str, value: str, *, base: str = "EUR") -> pb.Rate:
    return pb.Rate(base=base, quote=quote, date=day, value=value)


KNOWN = [
    rate("USD", MON, "1.3774"),
    rate("USD", TUE, "1.3789"),
    rate("USD", WED, "1.3782"),
    rate("JPY", MON, "141.00"),
    rate("JPY", TUE, "141.31"),
    rate("HRK", MON, "7.652"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def known(client: AsyncRatesClient) -> None:
    """Three currencies, each of which ends on another day."""
    await client.import_rates(source="ecb", rates=KNOWN)


async def everything(client: AsyncRatesClient, **asked: Any) -> list[tuple[str, str, str]]:
    return [(one.date, one.quote, one.value) async for one in client.list_rates(**asked)]


async def refusal(waiting: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        await waiting
    return caught.value


async def test_an_import_counts_what_is_new_and_what_is_known(client: AsyncRatesClient):
    first = await client.import_rates(source="ecb", rates=KNOWN)
    second = await client.import_rates(source="ecb", rates=[*KNOWN, rate("JPY", WED, "140.72")])

    assert (first.created_count, first.unchanged_count) == (6, 0)
    assert (second.created_count, second.unchanged_count) == (1, 6)


async def test_an_equal_number_in_other_digits_is_known_and_the_first_text_stays(
    client: AsyncRatesClient, known: None
):
    again = await client.import_rates(
        source="ecb", rates=[rate("JPY", MON, "141"), rate("USD", MON, "1.37740")]
    )

    assert (again.created_count, again.unchanged_count) == (0, 2)
    assert await everything(client, to_date=MON) == [
        (MON, "HRK", "7.652"),
        (MON, "JPY", "141.00"),
        (MON, "USD", "1.3774"),
    ]


async def test_a_rate_that_differs_is_refused_and_nothing_of_the_call_is_added(
    client: AsyncRatesClient, known: None
):
    error = await refusal(
        client.import_rates(source="ecb", rates=[rate("GBP", MON, "0.8"), rate("USD", MON, "1.4")])
    )

    assert (error.code, error.reason) == ("ALREADY_EXISTS", "RATE_EXISTS")
    assert [violation.field for violation in error.violations] == ["rates[1].value"]
    assert error.violations[0].sentence == (
        "USD of 2014-03-24 is known as 1.3774; import another value under another source."
    )
    assert await everything(client, quote="GBP") == []


async def test_two_values_for_one_rate_in_a_call_are_refused(client: AsyncRatesClient):
    error = await refusal(
        client.import_rates(source="ecb", rates=[rate("USD", MON, "1.3"), rate("USD", MON, "1.4")])
    )

    assert error.reason == "RATE_EXISTS"
    assert await everything(client) == []


async def test_a_rate_twice_in_a_call_is_one(client: AsyncRatesClient):
    answer = await client.import_rates(
        source="ecb", rates=[rate("USD", MON, "1.3"), rate("USD", MON, "1.30")]
    )

    assert (answer.created_count, answer.unchanged_count) == (1, 1)


async def test_a_source_keeps_its_base_and_another_source_may_have_another(
    client: AsyncRatesClient, known: None
):
    dollars = [rate("JPY", MON, "102.4", base="USD")]

    error = await refusal(client.import_rates(source="ecb", rates=dollars))
    await client.import_rates(source="fed", rates=dollars)

    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "SOURCE_BASE_DIFFERS")
    assert error.facts["base"] == "EUR"
    assert (await client.get_rate(base="USD", quote="JPY", source="fed")).rate.value == "102.4"
    assert (await client.get_rate(base="JPY", quote="USD", source="fed")).rate.value == "0.009765625"


async def test_a_refused_first_import_leaves_no_source_behind(client: AsyncRatesClient):
    mixed = [rate("USD", MON, "1.3"), rate("JPY", MON, "100", base="USD")]

    error = await refusal(client.import_rates(source="new", rates=mixed))
    after = await client.import_rates(source="new", rates=mixed[1:])

    assert error.reason == "SOURCE_BASE_DIFFERS"
    assert after.created_count == 1


async def test_a_call_takes_5000_rates_and_not_one_more(client: AsyncRatesClient):
    first = date(1990, 1, 1)
    rates = [rate("USD", (first + timedelta(days=n)).isoformat(), "1.5") for n in range(5001)]

    error = await refusal(client.import_rates(source="ecb", rates=rates))
    answer = await client.import_rates(source="ecb", rates=rates[:5000])

    assert (error.reason, error.violations[0].field) == ("INVALID_REQUEST", "rates")
    assert answer.created_count == 5000


async def test_imports_of_the_same_rates_at_once_add_each_one_once(client: AsyncRatesClient):
    first = date(1990, 1, 1)
    rates = [rate("USD", (first + timedelta(days=n)).isoformat(), "1.5") for n in range(600)]

    answers = await asyncio.gather(
        *(
            client.import_rates(source="ecb", rates=rates[start : start + 400][::direction])
            for start in (0, 100, 200)
            for direction in (1, -1)
        )
    )

    assert sum(answer.created_count for answer in answers) == 600
    assert sum(answer.unchanged_count for answer in answers) == 6 * 400 - 600
    assert len(await everything(client, page_size=1000)) == 600


async def test_first_imports_at_once_agree_on_one_base(client: AsyncRatesClient):
    answers = await asyncio.gather(
        *(
            client.import_rates(source="new", rates=[rate("JPY", MON, "100", base=base)])
            for base in ("EUR", "USD", "GBP", "CHF")
        ),
        return_exceptions=True,
    )

    outcomes = Counter(
        answer.reason if isinstance(answer, CallError) else answer.created_count for answer in answers
    )
    assert outcomes == {1: 1, "SOURCE_BASE_DIFFERS": 3}


LAST = {"date": SUN, "last_known": True}
MADE = {"base": "USD", "quote": "JPY"}


@pytest.mark.parametrize(
    ("fields", "value", "day"),
    [
        pytest.param({"quote": "JPY", "date": MON}, "141.00", MON, id="as published"),
        pytest.param({"base": "JPY", "quote": "EUR", "date": TUE}, "0.00707664001132", TUE, id="turned"),
        pytest.param({**MADE, "date": TUE}, "102.480237870766", TUE, id="through the base"),
        pytest.param({"base": "USD", "quote": "USD", "date": TUE}, "1", TUE, id="in itself"),
        pytest.param({"base": "EUR", "quote": "EUR", "date": SUN}, "1", SUN, id="the base, on any day"),
        pytest.param({"quote": "USD", **LAST}, "1.3782", WED, id="last known"),
        pytest.param({"quote": "USD", **LAST, "date": MON}, "1.3774", MON, id="last known of the day"),
        pytest.param({**MADE, **LAST}, "102.532288492236", TUE, id="each its own last, the earlier day"),
        pytest.param({"quote": "USD"}, "1.3782", WED, id="no day: the last"),
        pytest.param({"base": "JPY", "quote": "EUR"}, "0.00707664001132", TUE, id="no day: the last, turned"),
        pytest.param(MADE, "102.480237870766", TUE, id="no day: the last of both"),
        pytest.param(
            {"base": "HRK", "last_known": True}, "0.180005227391", MON, id="no day: one day for both"
        ),
        pytest.param({"base": "EUR", "quote": "EUR"}, "1", WED, id="no day: the last of the source"),
    ],
)
async def test_the_rate_of_a_pair_and_the_day_it_is_of(
    client: AsyncRatesClient, known: None, fields: dict[str, Any], value: str, day: str
):
    pair = {"base": "EUR", "quote": "USD", **fields}

    answer = await client.get_rate(**pair)

    assert answer.rate.value == value or (len(value) > 12 and answer.rate.value.startswith(value))
    assert (answer.rate.base, answer.rate.quote, answer.rate.date) == (pair["base"], pair["quote"], day)
    assert answer.source == "ecb"
    converted = await client.convert(amount="-2", **pair)
    assert converted.rate == answer.rate
    assert float(converted.amount) == pytest.approx(-2 * float(answer.rate.value), rel=1e-15)


async def test_the_longest_rate_that_can_be_made_from_two_is_answered(client: AsyncRatesClient):
    smallest, largest = f"0.{'0' * 22}1", "7" * 24
    await client.import_rates(source="ecb", rates=[rate("AAA", MON, smallest), rate("BBB", MON, largest)])
    pair = {"base": "BBB", "quote": "AAA", "date": MON}

    got = await client.get_rate(**pair)
    converted = await client.convert(amount=f"0.{'0' * 26}1", **pair)

    assert got.rate.value == f"0.{'0' * 46}1285714285714285714285715571"
    assert converted.rate == got.rate


async def test_an_amount_of_28_digits_is_converted_to_28_digits(client: AsyncRatesClient, known: None):
    answer = await client.convert(base="EUR", quote="USD", amount="123456789012345678901.2345678", date=MON)

    # 1234567890123456789012345678 * 13774 = 17004938118560493811856049368772
    assert answer.amount == "170049381185604938118.5604937"


Call = Callable[[AsyncRatesClient], Any]


def get(**fields: Any) -> Call:
    return lambda client: client.get_rate(**{"base": "EUR", "quote": "USD", **fields})


def convert(**fields: Any) -> Call:
    return lambda client: client.convert(**{"base": "EUR", "quote": "USD", "amount": "1", **fields})


def page(**fields: Any) -> Call:
    return lambda client: client.list_rates(**fields).page()


def post(*rates: pb.Rate, source: str = "ecb") -> Call:
    return lambda client: client.import_rates(source=source, rates=rates)


@pytest.mark.parametrize(
    ("call", "reason", "field"),
    [
        (get(date="2014-02-30"), "DATE_INVALID", "date"),
        (get(date="30.03.2014"), "INVALID_REQUEST", "date"),
        (get(base="", date=MON), "INVALID_REQUEST", "base"),
        (get(quote="usd"), "INVALID_REQUEST", "quote"),
        (get(source="E C B"), "INVALID_REQUEST", "source"),
        (get(quote="XXX"), "CURRENCY_UNKNOWN", "quote"),
        (get(base="XXX", date=MON), "CURRENCY_UNKNOWN", "base"),
        (get(base="XXX", quote="XXX", date=MON), "CURRENCY_UNKNOWN", "base"),
        (get(base="XXX", last_known=True, date=MON), "CURRENCY_UNKNOWN", "base"),
        (get(source="none"), "CURRENCY_UNKNOWN", "base"),
        (get(date=SUN), "RATE_NOT_FOUND", "date"),
        (get(base="USD", quote="HRK", date=TUE), "RATE_NOT_FOUND", "date"),
        (get(base="USD", quote="USD", date=SUN), "RATE_NOT_FOUND", "date"),
        (get(date="2014-03-23", last_known=True), "RATE_NOT_FOUND", "date"),
        (convert(amount="1e3", date="2014-02-30"), "AMOUNT_INVALID", "amount"),
        (convert(amount="1" * 29), "AMOUNT_INVALID", "amount"),
        (convert(amount="1" * 41), "INVALID_REQUEST", "amount"),
        (convert(amount=""), "INVALID_REQUEST", "amount"),
        (convert(date="2014-02-30"), "DATE_INVALID", "date"),
        (convert(quote="XXX"), "CURRENCY_UNKNOWN", "quote"),
        (convert(date=SUN), "RATE_NOT_FOUND", "date"),
        (page(from_date="2014-02-30"), "DATE_INVALID", "from_date"),
        (page(to_date="2014-02-30"), "DATE_INVALID", "to_date"),
        (page(from_date=TUE, to_date=MON), "DATE_INVALID", "to_date"),
        (page(page_size=-1), "INVALID_REQUEST", "page_size"),
        (page(page_size=1001), "INVALID_REQUEST", "page_size"),
        (page(page_token="nonsense"), "PAGE_TOKEN_INVALID", "page_token"),
        (page(quote="usd"), "INVALID_REQUEST", "quote"),
        (post(), "INVALID_REQUEST", "rates"),
        (post(rate("USD", MON, "1"), source=""), "INVALID_REQUEST", "source"),
        (post(rate("USD", MON, "1"), source="E C B"), "INVALID_REQUEST", "source"),
        (post(rate("USD", MON, "")), "INVALID_REQUEST", "rates[0].value"),
        (post(rate("USD", MON, "1"), rate("usd", MON, "1")), "INVALID_REQUEST", "rates[1].quote"),
        (post(rate("USD", "2014-3-1", "1")), "INVALID_REQUEST", "rates[0].date"),
        (post(rate("USD", "2014-02-30", "1")), "DATE_INVALID", "rates[0].date"),
        (post(rate("USD", MON, "0")), "RATE_INVALID", "rates[0].value"),
        (post(rate("USD", MON, "1e3")), "RATE_INVALID", "rates[0].value"),
        (post(rate("EUR", MON, "1")), "RATE_INVALID", "rates[0].quote"),
    ],
)
async def test_a_refusal_has_its_reason_and_names_the_field(
    client: AsyncRatesClient, known: None, call: Call, reason: str, field: str
):
    error = await refusal(call(client))

    assert (error.reason, error.violations[0].field) == (reason, field)
    assert not error.error_id


async def test_a_missing_rate_says_what_the_last_known_one_is(client: AsyncRatesClient, known: None):
    error = await refusal(client.get_rate(base="JPY", quote="USD", date=SUN))

    assert error.code == "NOT_FOUND"
    assert error.sentence == (
        "ecb has no rate for JPY on 2014-03-30; "
        "ask for the last one before it, of 2014-03-25, or set last_known."
    )
    assert error.facts == {
        "source": "ecb",
        "currency": "JPY",
        "date": SUN,
        "last_known_date": "2014-03-25",
    }


async def test_currencies_that_never_had_a_rate_on_one_day_are_refused(client: AsyncRatesClient):
    await client.import_rates(source="ecb", rates=[rate("CYP", MON, "0.58"), rate("BRL", TUE, "3.2")])

    error = await refusal(client.get_rate(base="CYP", quote="BRL"))

    assert (error.code, error.reason) == ("NOT_FOUND", "RATE_NOT_FOUND")
    assert "both CYP and BRL" in error.sentence


async def test_pages_hold_every_rate_once_by_day_and_currency(client: AsyncRatesClient, known: None):
    pages = [answer async for answer in client.list_rates(page_size=4).pages()]

    assert [len(answer.rates) for answer in pages] == [4, 2]
    assert [(one.date, one.quote, one.value) for answer in pages for one in answer.rates] == [
        (MON, "HRK", "7.652"),
        (MON, "JPY", "141.00"),
        (MON, "USD", "1.3774"),
        (TUE, "JPY", "141.31"),
        (TUE, "USD", "1.3789"),
        (WED, "USD", "1.3782"),
    ]
    assert {one.base for answer in pages for one in answer.rates} == {"EUR"}
    assert pages[-1].next_page_token == ""


async def test_a_page_that_is_just_full_is_the_last(client: AsyncRatesClient, known: None):
    assert (await client.list_rates(page_size=6).page()).next_page_token == ""


async def test_a_page_has_100_rates_unless_it_is_told_and_1000_at_most(client: AsyncRatesClient):
    first = date(1990, 1, 1)
    rates = [rate("USD", (first + timedelta(days=n)).isoformat(), "1.5") for n in range(1001)]
    await client.import_rates(source="ecb", rates=rates)

    assert len((await client.list_rates().page()).rates) == 100
    assert len((await client.list_rates(page_size=1000).page()).rates) == 1000


async def test_a_page_token_counts_for_its_query_and_its_caller_only(
    client: AsyncRatesClient, stranger: AsyncRatesClient, known: None
):
    await stranger.import_rates(source="ecb", rates=KNOWN)
    token = (await client.list_rates(page_size=2).page()).next_page_token

    other_query = await refusal(client.list_rates(page_token=token, quote="USD").page())
    other_caller = await refusal(stranger.list_rates(page_token=token).page())

    assert other_query.reason == other_caller.reason == "PAGE_TOKEN_INVALID"
    assert len((await client.list_rates(page_token=token, page_size=3).page()).rates) == 3


@pytest.mark.parametrize(
    "call",
    [
        get(),
        get(date=MON),
        get(date=SUN, last_known=True),
        get(base="USD", quote="JPY"),
        convert(),
        convert(date=MON),
    ],
)
async def test_a_stranger_gets_the_answer_of_a_source_that_is_not_there(
    client: AsyncRatesClient, stranger: AsyncRatesClient, call: Call
):
    before = await refusal(call(stranger))
    await client.import_rates(source="ecb", rates=KNOWN)
    after = await refusal(call(stranger))

    assert (after.code, after.reason) == ("NOT_FOUND", "CURRENCY_UNKNOWN")
    assert (after.sentence, after.facts, after.violations) == (
        before.sentence,
        before.facts,
        before.violations,
    )


async def test_tenants_have_their_own_rates_and_bases(
    client: AsyncRatesClient, stranger: AsyncRatesClient, known: None
):
    assert await everything(stranger) == []

    added = await stranger.import_rates(source="ecb", rates=[rate("EUR", MON, "0.7", base="USD")])

    assert added.created_count == 1
    assert await everything(stranger) == [(MON, "EUR", "0.7")]
    assert len(await everything(client)) == len(KNOWN)
    assert (await client.get_rate(base="USD", quote="EUR", date=MON)).rate.value.startswith("0.72600")
