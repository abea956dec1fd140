"""Who a caller is, once a credential was verified."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller.

    Attributes:
        id: Stable id, such as `key:dev`; empty for the anonymous caller.
        tenant: The tenant it acts for; empty for none.
        scopes: What it may do.
        audiences: What its credential was issued for; empty: for nothing in particular.
        level: How strongly it proved who it is: 1 (a key) to 3.
        proved: When it did, seconds since 1970; None: a key proves nothing but itself.
    """

    id: str
    tenant: str
    scopes: frozenset[str]
    audiences: frozenset[str] = frozenset()
    level: int = 1
    proved: float | None = None


ANONYMOUS = Principal(id="", tenant="", scopes=frozenset())


class Authenticator(Protocol):
    """Where credentials are known. API keys from a file now; the identity service later."""

    def authenticate(self, credential: str) -> Principal | Awaitable[Principal]:
        """The principal of a bearer credential; awaitable when it must be asked for elsewhere.

        Raises:
            Refusal: CREDENTIAL_INVALID; never says why.
        """
        ...
