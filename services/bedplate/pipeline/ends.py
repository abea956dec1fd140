"""What handlers say beside an answer: before it, and at its end.

Both are in `Call.response_headers`. What is for the end has a name that begins
with `trailer-`, and is sent without that.
"""

from collections.abc import Iterable

TRAILER = "trailer-"

Said = tuple[tuple[str, str | bytes], ...]


def split(headers: Iterable[tuple[str, str | bytes]]) -> tuple[Said, Said]:
    """What comes before the answer, and what comes at its end."""
    first, last = [], []
    for pair in headers:
        name = pair[0]
        if name.startswith(TRAILER):
            last.append((name.removeprefix(TRAILER), pair[1]))
        else:
            first.append(pair)
    return tuple(first), tuple(last)
