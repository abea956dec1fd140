"""Which page of a list a caller asks for."""

from dataclasses import dataclass
from typing import Any

from bedplate.data.page import CursorValue, PageTokens, fingerprint
from bedplate.pipeline.call import Call

PAGE_SIZE_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was asked for.

    Attributes:
        size: At most so many items.
        after: The cursor after which it begins; empty: it is the first.
    """

    size: int
    after: tuple[Any, ...]
    _tokens: PageTokens
    _query: bytes
    _call: Call

    def token(self, *cursor: CursorValue) -> str:
        """The token of the page that begins after a cursor."""
        principal = self._call.principal
        return self._tokens.encode(cursor, query=self._query, tenant=principal.tenant, principal=principal.id)


def page_of(tokens: PageTokens, request: Any, call: Call) -> Page:
    """The page that a request asks for.

    Raises:
        Refusal: PAGE_TOKEN_INVALID: the token was made for another query,
            tenant or principal, or by somebody else.
    """
    query = fingerprint(request)
    principal = call.principal
    after = tokens.decode(request.page_token, query=query, tenant=principal.tenant, principal=principal.id)
    return Page(request.page_size or PAGE_SIZE_DEFAULT, after, tokens, query, call)
