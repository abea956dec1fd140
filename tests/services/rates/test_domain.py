"""Rates, pairs and conversions as plain values."""

from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.errors import Kind, Refusal
from bedplate.services.rates import domain
from bedplate.services.rates.domain import BASE_LEG, Leg, Offered, Published

DAY = date(2014, 3, 28)
EARLIER = date(2014, 3, 27)
USD = Leg("1.3759", DAY)
JPY = Leg("140.9", DAY)


def offered(**fields: str) -> Offered:
    return Offered(**{"base": "EUR", "quote": "USD", "day": "2014-03-28", "value": "1.3759", **fields})


@pytest.mark.parametrize("text", ["1", "0.1", "10.50", "136.00", "0.000001", "9" * 24, "0." + "1" * 23])
def test_a_plain_decimal_above_zero_is_a_rate(text: str):
    assert domain.is_rate(text)


NO_RATES = ["", "0", "0.00", "-1", "+1", "1e3", ".5", "5.", "01", "1,5", " 1", "1\n", "NaN", "Infinity"]


@pytest.mark.parametrize("text", [*NO_RATES, "1_0", "\u0661", "9" * 25, "0." + "1" * 24])
def test_anything_else_is_no_rate(text: str):
    assert not domain.is_rate(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.1", "1.1", True), ("1.10", "1.1", True), ("136", "136.00", True), ("1.1", "1.11", False)],
)
def test_rates_are_the_same_when_their_numbers_are(one: str, other: str, same: bool):
    assert domain.is_same_rate(one, other) is same


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("-12.50", "-12.50"),
        ("9223372036854775807", "9223372036854775807"),
        ("1" * 28, "1" * 28),
        ("-" + "1" * 28, "-" + "1" * 28),
        ("0." + "0" * 26 + "1", "1e-27"),
    ],
)
def test_a_plain_decimal_is_an_amount(text: str, amount: str):
    assert domain.parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", "-", "+1", "1e3", ".5", "5.", "007", "1,000", "--1", "NaN", "1" * 29, "1\n"]
)
def test_anything_else_is_no_amount(text: str):
    with pytest.raises(Refusal) as caught:
        domain.parse_amount(text)

    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "AMOUNT_INVALID")
    assert [violation.field for violation in caught.value.violations] == ["amount"]


@pytest.mark.parametrize(
    "text", ["2014-02-29", "2014-13-01", "0000-01-01", "20140328", "2014-3-28", "", "2014-03-28 "]
)
def test_a_text_that_is_no_day_is_refused_with_its_field(text: str):
    with pytest.raises(Refusal) as caught:
        domain.parse_day(text, "from_date")

    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "DATE_INVALID")
    assert caught.value.violations[0].field == "from_date"


@pytest.mark.parametrize(
    ("first", "last"), [(None, None), (DAY, None), (None, DAY), (DAY, DAY), (EARLIER, DAY)]
)
def test_a_range_may_be_open_or_a_single_day(first: date | None, last: date | None):
    domain.check_range(first, last)


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(Refusal, match="to_date: 2014-03-27 is before from_date, 2014-03-28"):
        domain.check_range(DAY, EARLIER)


def test_what_is_offered_is_published_in_the_same_order():
    published = domain.check_offered([offered(), offered(quote="JPY", value="140.90", day="2014-03-27")])

    assert published == [Published("USD", DAY, "1.3759"), Published("JPY", EARLIER, "140.90")]


def test_every_wrong_rate_is_named_and_rates_come_before_days():
    with pytest.raises(Refusal) as caught:
        domain.check_offered(
            [offered(), offered(value="0"), offered(day="2014-02-30"), offered(quote="EUR", value="x")]
        )

    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "RATE_INVALID")
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["rates[1].value", "rates[3].value", "rates[3].quote"]
    assert caught.value.sentence.endswith("(and 2 more)")


def test_every_wrong_day_is_named():
    with pytest.raises(Refusal) as caught:
        domain.check_offered([offered(day="2014-02-30"), offered(), offered(day="2014-02-30")])

    assert caught.value.reason == "DATE_INVALID"
    assert [v.field for v in caught.value.violations] == ["rates[0].date", "rates[2].date"]


def test_a_refusal_names_no_more_fields_than_the_limit():
    with pytest.raises(Refusal) as caught:
        domain.check_offered([offered(value="0")] * 51)

    assert len(caught.value.violations) == 50
    assert caught.value.sentence.endswith("(and 50 more)")


def test_rates_with_another_base_than_the_sources_are_refused():
    with pytest.raises(Refusal) as caught:
        domain.check_base("EUR", [offered(), offered(base="USD", quote="JPY")])

    assert (caught.value.kind, caught.value.reason) == (Kind.STATE, "SOURCE_BASE_DIFFERS")
    assert [violation.field for violation in caught.value.violations] == ["rates[1].base"]
    assert caught.value.facts == {"base": "EUR"}


@pytest.mark.parametrize(
    ("base", "quote", "value", "day"),
    [
        pytest.param(BASE_LEG, USD, "1.3759", DAY, id="published"),
        pytest.param(BASE_LEG, Leg("1.10", DAY), "1.10", DAY, id="published, exactly as it is"),
        pytest.param(USD, BASE_LEG, "0.7267970055963369430917944618", DAY, id="the other way round"),
        pytest.param(USD, JPY, "102.4056980885238752816338397", DAY, id="through the base"),
        pytest.param(USD, USD, "1", DAY, id="a currency in itself"),
        pytest.param(BASE_LEG, BASE_LEG, "1", date(2020, 1, 1), id="the base in itself"),
        pytest.param(
            USD, Leg("140.9", EARLIER), "102.4056980885238752816338397", EARLIER, id="the earlier day"
        ),
        pytest.param(
            Leg("1.3759", EARLIER), JPY, "102.4056980885238752816338397", EARLIER, id="the other earlier"
        ),
        pytest.param(Leg("0.5", DAY), Leg("5", DAY), "10", DAY, id="no exponent"),
    ],
)
def test_a_pair_is_made_from_what_the_base_is_worth_in_each(base: Leg, quote: Leg, value: str, day: date):
    assert domain.pair_rate(base, quote, day=date(2020, 1, 1)) == domain.PairRate(value, day)


@pytest.mark.parametrize(
    ("amount", "base", "quote", "converted"),
    [
        ("100", BASE_LEG, USD, "137.59"),
        ("100", USD, BASE_LEG, "72.67970055963369430917944618"),
        ("-12.50", USD, JPY, "-1280.071226106548441020422996"),
        ("0", USD, JPY, "0"),
        ("-0", USD, JPY, "0"),
        ("-0.00", BASE_LEG, USD, "0"),
        ("1000", BASE_LEG, BASE_LEG, "1000"),
        ("1" * 28, BASE_LEG, BASE_LEG, "1" * 28),
        ("0.10", USD, USD, "0.1"),
        ("1" * 28, BASE_LEG, Leg("9" * 24, DAY), "1111111111111111111111110000" + "0" * 24),
    ],
)
def test_an_amount_is_converted_and_rounded_once(amount: str, base: Leg, quote: Leg, converted: str):
    assert domain.convert(Decimal(amount), base, quote) == converted


rates = (
    st.integers(1, 10**24 - 1)
    .flatmap(lambda number: st.integers(0, 23).map(lambda scale: format(Decimal(number).scaleb(-scale), "f")))
    .filter(domain.is_rate)
)
amounts = st.integers(-(10**28) + 1, 10**28 - 1).flatmap(
    lambda number: st.integers(0, 27).map(lambda scale: Decimal(number).scaleb(-scale))
)


@given(amounts, rates, rates)
def test_a_conversion_is_the_exact_quotient_to_28_digits(amount: Decimal, base: str, quote: str):
    converted = Fraction(domain.convert(amount, Leg(base, DAY), Leg(quote, DAY)))

    exact = Fraction(amount) * Fraction(quote) / Fraction(base)
    assert abs(converted - exact) <= abs(exact) * Fraction(5, 10**28)


@given(rates, rates)
def test_a_made_rate_is_written_plainly(base: str, quote: str):
    value = domain.pair_rate(Leg(base, DAY), Leg(quote, DAY), day=DAY).value

    assert "e" not in value.lower()
    assert not ("." in value and value.endswith("0"))
    assert len(value.replace(".", "").lstrip("0").rstrip("0")) <= 28


@given(amounts, rates, rates)
def test_the_programs_own_decimal_context_changes_nothing(amount: Decimal, base: str, quote: str):
    expected = domain.convert(amount, Leg(base, DAY), Leg(quote, DAY))

    with localcontext(prec=3):
        assert domain.convert(amount, Leg(base, DAY), Leg(quote, DAY)) == expected
