"""What a caller sent beside its message, as the pipeline reads it."""

from collections.abc import Iterable


def named(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str | bytes]:
    """Metadata by name. What was sent twice is one value with commas, as HTTP has it.

    Two credentials thus become one that is not valid, not one of the two.
    Values of `-bin` names are bytes, of which the last one counts.
    """
    found: dict[str, str | bytes] = {}
    for name, value in metadata:
        before = found.get(name)
        if isinstance(before, str) and isinstance(value, str):
            found[name] = f"{before},{value}"
        else:
            found[name] = value
    return found
