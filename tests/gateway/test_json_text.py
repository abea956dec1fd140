"""Path and query parameters as values of fields."""

from typing import Any

import pytest

from bedplate.errors import Refusal
from bedplate.gateway.text_value import takes_text, text_reader
from tests.gateway.everything import EVERYTHING

FIELDS = EVERYTHING.fields_by_name


def parse_text(field: Any, text: str, path: str) -> Any:
    """One value of a field."""
    read = text_reader(field)
    assert read is not None
    return read(text, path)


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        ("one_int32", "-7", -7),
        ("one_int64", "9223372036854775807", 2**63 - 1),
        ("one_double", "1e3", 1000.0),
        ("one_double", "-Infinity", float("-inf")),
        ("one_bool", "false", False),
        ("one_string", "", ""),
        ("one_string", " a/b ", " a/b "),
        ("one_bytes", "-_8", b"\xfb\xff"),
        ("color", "COLOR_DARK", -7),
        ("color", "-7", -7),
        ("many_int32", "3", 3),
    ],
)
def test_a_text_is_a_value(name, text, held):
    assert parse_text(FIELDS[name], text, name) == held


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("one_int32", "", "decimal digits"),
        ("one_int32", "+7", "decimal digits"),
        ("one_int32", "007", "decimal digits"),
        ("one_int32", "-0", "decimal digits"),
        ("one_int32", "0x10", "decimal digits"),
        ("one_int32", "1e2", "decimal digits"),
        ("one_int32", "1.0", "decimal digits"),
        ("one_int32", " 7", "decimal digits"),
        ("one_int32", "٣", "decimal digits"),
        ("one_int32", "2147483648", "to 2147483647"),
        ("one_uint64", "-1", "from 0"),
        ("one_int64", "9" * 5000, "to 9223372036854775807"),
        ("one_double", "1e400", "64 bits"),
        ("one_float", "3.5e38", "32 bits"),
        ("one_double", "nan", "NaN"),
        ("one_bool", "1", "true or false"),
        ("one_bool", "True", "true or false"),
        ("one_bool", "", "true or false"),
        ("one_string", "\udcff", "UTF-8"),
        ("one_bytes", "a", "base64"),
        ("color", "color_red", "did you mean COLOR_RED?"),
        ("color", "99", "send one of"),
        ("color", "", "send one of"),
        ("one_timestamp", "2026-01-01T00:00:00 02:00", "%2B"),
        ("one_duration", "1h", "in seconds"),
        ("one_field_mask", "A_b", "lowerCamelCase"),
        ("one_int64_value", "x", "decimal digits"),
    ],
)
def test_a_text_that_does_not_fit_is_refused_under_its_path(name, text, words):
    with pytest.raises(Refusal) as caught:
        parse_text(FIELDS[name], text, f"filter.{name}")

    (violation,) = caught.value.violations
    assert caught.value.reason == "INVALID_REQUEST"
    assert violation.field == f"filter.{name}"
    assert words in violation.sentence


@pytest.mark.parametrize(
    "name", ["child", "children", "map_string_int32", "map_child", "one_any", "one_empty"]
)
def test_what_has_no_text_is_no_parameter(name):
    assert not takes_text(FIELDS[name])
    assert text_reader(FIELDS[name]) is None


def test_a_sensitive_value_is_not_compared_aloud():
    with pytest.raises(Refusal) as caught:
        parse_text(FIELDS["secret_color"], "COLOR_REDD", "secret_color")

    assert "did you mean" not in caught.value.sentence
