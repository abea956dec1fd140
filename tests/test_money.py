"""Exact arithmetic of amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.money import INT64_MAX, INT64_MIN, fits_int64, from_text, to_text


@pytest.mark.parametrize(
    ("amount_minor", "scale", "text"),
    [
        (-1250, 2, "-12.50"),
        (5, 2, "0.05"),
        (-5, 3, "-0.005"),
        (0, 0, "0"),
        (0, 2, "0.00"),
        (7, 0, "7"),
        (1, 18, "0.000000000000000001"),
        (INT64_MAX, 18, "9.223372036854775807"),
        (INT64_MIN, 0, "-9223372036854775808"),
    ],
)
def test_smallest_units_are_written_as_whole_ones(amount_minor, scale, text):
    assert to_text(amount_minor, scale) == text


@pytest.mark.parametrize(
    ("text", "scale", "amount_minor"),
    [
        ("0.125", 2, 12),
        ("0.135", 2, 14),
        ("-0.125", 2, -12),
        ("0.1250000000000000000000000000000001", 2, 13),
        ("12.5", 0, 12),
        ("1E+3", 2, 100_000),
        ("9223372036854775808", 0, 2**63),
    ],
)
def test_whole_units_are_rounded_once_half_to_even(text, scale, amount_minor):
    assert from_text(text, scale) == amount_minor


@given(st.integers(INT64_MIN, INT64_MAX), st.integers(0, 18))
def test_what_is_written_is_read_back_as_it_was(amount_minor, scale):
    assert from_text(to_text(amount_minor, scale), scale) == amount_minor


@pytest.mark.parametrize(
    ("amount_minor", "fits"),
    [(INT64_MAX, True), (INT64_MAX + 1, False), (INT64_MIN, True), (INT64_MIN - 1, False)],
)
def test_the_range_of_int64_is_known_to_the_unit(amount_minor, fits):
    assert fits_int64(amount_minor) is fits
