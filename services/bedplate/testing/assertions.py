"""What pytest shows of messages that differ, without what is sensitive.

Write into the tests' conftest.py:

    from bedplate.testing.assertions import pytest_assertrepr_compare

It covers comparisons of two messages. Whatever else a test prints of a message,
its `repr` above all, shows everything: protobuf offers no way to change that.
"""

from google.protobuf.message import Message

from bedplate.contract.redact import has_sensitive, safe_text


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """The lines that explain a failed comparison; None: pytest's own."""
    if not isinstance(left, Message) or not isinstance(right, Message):
        return None
    if not has_sensitive(left.DESCRIPTOR) and not has_sensitive(right.DESCRIPTOR):
        return None
    lines = [f"{left.DESCRIPTOR.name} {op} {right.DESCRIPTOR.name}, sensitive fields masked:"]
    lines += [f"left:  {safe_text(left)}", f"right: {safe_text(right)}"]
    if op == "==" and safe_text(left) == safe_text(right):
        lines.append("They differ in a sensitive field, or in one that is not shown.")
    return lines
