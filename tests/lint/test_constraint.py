"""Rules of validation that take less are told, and those that take more are not."""

import pytest
from google.protobuf import text_format

from bedplate.lint.breaking.constraint import tightened
from buf.validate import validate_pb2


def told(old: str, new: str) -> list[str]:
    rules = [text_format.Parse(text, validate_pb2.FieldRules()) for text in (old, new)]
    return list(tightened(*rules))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("", "required: true", "required is new"),
        ("", "string { max_len: 5 }", "string.max_len is new"),
        ("string { max_len: 5 }", "string { max_len: 4 }", "string.max_len was 5 and is 4"),
        ("string { min_len: 1 }", "string { min_len: 2 }", "string.min_len was 1 and is 2"),
        ("string { pattern: 'a' }", "string { pattern: 'b' }", "string.pattern was a and is b"),
        ("", "string { email: true }", "string.email is new"),
        ("string { in: ['a', 'b'] }", "string { in: 'a' }", "string.in has fewer values"),
        ("string {}", "string { in: 'a' }", "string.in has fewer values"),
        ("string { not_in: 'a' }", "string { not_in: ['a', 'b'] }", "string.not_in has more values"),
        ("int64 { lte: 9 }", "int64 { lte: 8 }", "int64.lte is 8, and int64.lte was 9"),
        ("", "int64 { gt: 0 }", "int64.gt is new"),
        ("int64 { gte: 0 }", "int64 { gt: 0 }", "int64.gt is 0, and int64.gte was 0"),
        (
            "duration { lte { seconds: 9 } }",
            "duration { lte { nanos: 5 } }",
            "duration.lte is 5e-09, and duration.lte was 9",
        ),
        ("repeated { max_items: 9 }", "repeated { max_items: 3 }", "repeated.max_items was 9 and is 3"),
        (
            "repeated { items { string { max_len: 9 } } }",
            "repeated { items { string { max_len: 3 } } }",
            "repeated.items.string.max_len was 9 and is 3",
        ),
        ("", "cel { id: 'odd' expression: 'this % 2 == 1' }", "cel has the rule odd"),
        (
            "cel { id: 'odd' expression: 'this % 2 == 1' }",
            "cel { id: 'odd' expression: 'this % 4 == 1' }",
            "cel has the rule odd",
        ),
        (
            "ignore: IGNORE_IF_ZERO_VALUE string { min_len: 1 }",
            "string { min_len: 1 }",
            "the value that was left alone is looked at",
        ),
        ("enum {}", "enum { defined_only: true }", "enum.defined_only is new"),
    ],
)
def test_what_takes_less_is_told(old, new, what):
    assert told(old, new) == [what]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("required: true", ""),
        ("required: true", "required: false"),
        ("string { max_len: 5 }", "string { max_len: 6 }"),
        ("string { max_len: 5 }", "string { }"),
        ("string { min_len: 2 }", "string { min_len: 1 }"),
        ("string { pattern: 'a' }", ""),
        ("string { in: 'a' }", "string { in: ['a', 'b'] }"),
        ("string { not_in: ['a', 'b'] }", "string { not_in: 'a' }"),
        ("int64 { gt: 0 lte: 9 }", "int64 { gt: -1 lte: 10 }"),
        ("int64 { gte: 0 lt: 9 }", "int64 { gt: -1 lte: 9 }"),
        ("int64 { gt: 0 }", "int64 { gte: 0 }"),
        ("string { example: 'a' }", "string { example: 'b' }"),
        (
            "cel { id: 'odd' message: 'be odd' expression: 'this % 2 == 1' }",
            "cel { id: 'odd' message: 'odd, please' expression: 'this % 2 == 1' }",
        ),
        ("string { min_len: 1 }", "ignore: IGNORE_IF_ZERO_VALUE string { min_len: 1 }"),
        ("string { max_len: 5 pattern: 'a' }", "string { max_len: 5 pattern: 'a' }"),
    ],
)
def test_what_takes_as_much_or_more_is_not_told(old, new):
    assert told(old, new) == []
