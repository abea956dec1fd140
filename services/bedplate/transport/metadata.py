"""What a caller sent beside its message, as the pipeline reads it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bedplate.contract.headers import PRINCIPAL, SCOPES, TENANT

# Tells for whom a peer calls. Nobody sees it as metadata: the pipeline asks for
# it by itself where the peer is one that is trusted.
APART = frozenset({PRINCIPAL, TENANT, SCOPES})


class Sent(Mapping[str, str | bytes]):
    """Metadata as gRPC hands it over, by name, without a dict being made of it.

    A call is asked for two or three names; making a dict of ten pairs costs more
    than looking through them as often.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: tuple[tuple[str, str | bytes], ...]) -> None:
        self._pairs = pairs

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, as `named` has it."""
        if key in APART:
            return default
        found: Any = None
        for pair in self._pairs:
            if pair[0] == key:
                if found is not None:
                    return named(self._pairs)[key]
                found = pair[1]
        return default if found is None else found

    def __getitem__(self, key: str) -> str | bytes:
        found: str | bytes | None = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen())

    def __len__(self) -> int:
        return len(self._seen())

    def _seen(self) -> dict[str, str | bytes]:
        return {name: value for name, value in named(self._pairs).items() if name not in APART}

    def apart(self) -> dict[str, str | bytes]:
        """What tells for whom a peer calls; what was sent twice is empty.

        A proxy that adds its own to what its caller sent would else lend that caller its voice.
        """
        said: dict[str, str | bytes] = {}
        for name, value in self._pairs:
            if name in APART:
                said[name] = "" if name in said else value
        return said


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
