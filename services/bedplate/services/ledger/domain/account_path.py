"""Account paths: which accounts a caller means, and the groups in which they are added up."""

import re
from dataclasses import dataclass
from itertools import takewhile

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.ledger.domain.account import Currency

PATH_MAX_CHARS = 128

_ONE = "*"
_MORE = "**"
_FORM = re.compile(r"(\*|[A-Za-z0-9_][A-Za-z0-9._-]*)(:(\*|[A-Za-z0-9._-]+))*(:\*\*)?|\*\*", re.ASCII)

# In the order of bytes these come right before what a segment is made of, right
# after the colon, and after all that an id is made of.
_BEFORE_ALL, _AFTER_COLON, _AFTER_ALL = "!", ";", "{"


@dataclass(frozen=True, slots=True)
class AccountPath:
    """Accounts whose ids have these segments.

    Attributes:
        segments: A name for itself, `*` for any one segment.
        deep: Whether one segment or more come after them: the path ends in `**`.
    """

    segments: tuple[str, ...]
    deep: bool = False

    @property
    def first_names(self) -> tuple[str, ...]:
        """The names before the first wildcard."""
        return tuple(takewhile(lambda segment: segment != _ONE, self.segments))

    @property
    def later_names(self) -> tuple[tuple[int, str], ...]:
        """The names after the first wildcard, each with its place from 0."""
        first = len(self.first_names)
        return tuple(
            (place, segment)
            for place, segment in enumerate(self.segments[first:], start=first)
            if segment != _ONE
        )

    @property
    def bounds(self) -> tuple[str, str]:
        """The first id that may match, and one after all that may, in the order of bytes."""
        prefix = ":".join(self.first_names)
        if not prefix:
            return "", _AFTER_ALL
        if len(self.first_names) == len(self.segments) and not self.deep:
            return prefix, prefix + _BEFORE_ALL
        return f"{prefix}:", f"{prefix}{_AFTER_COLON}"

    def matches(self, account_id: str) -> bool:
        """Whether the path names this account."""
        own = account_id.split(":")
        if len(own) <= len(self.segments) if self.deep else len(own) != len(self.segments):
            return False
        return all(wanted in (_ONE, got) for wanted, got in zip(self.segments, own, strict=False))


ALL_ACCOUNTS = AccountPath((), deep=True)


def parse_path(text: str, field: str = "account_path") -> AccountPath:
    """Read an account path; empty: all accounts.

    Raises:
        Refusal: INVALID_REQUEST: it is no path.
    """
    if not text:
        return ALL_ACCOUNTS
    if len(text) > PATH_MAX_CHARS or not _FORM.fullmatch(text):
        sentence = (
            f"Send at most {PATH_MAX_CHARS} characters: segments with a colon between two of them, such as"
            " assets:*:eur or assets:**; a wildcard is a whole segment, and ** only the last."
        )
        raise Refusal(
            Kind.INVALID, "INVALID_REQUEST", f"{field}: {sentence}", violations=[Violation(field, sentence)]
        )
    segments = tuple(text.split(":"))
    if segments[-1] == _MORE:
        return AccountPath(segments[:-1], deep=True)
    return AccountPath(segments)


@dataclass(frozen=True, slots=True)
class GroupTotal:
    """The accounts of a group that hold one currency, added up; the sums may lie outside int64.

    Attributes:
        account_path: The segments that the accounts have in common.
        currency: What they hold.
        debits_minor: Sum of what was posted on the debit side.
        credits_minor: The same of the credit side.
        debits_pending_minor: Sum of what holds have set aside on the debit side.
        credits_pending_minor: The same of the credit side.
        account_count: How many accounts these are.
    """

    account_path: str
    currency: Currency
    debits_minor: int
    credits_minor: int
    debits_pending_minor: int
    credits_pending_minor: int
    account_count: int

    @property
    def net_debits_minor(self) -> int:
        """Debits less credits of what was posted."""
        return self.debits_minor - self.credits_minor


def group_of(account_id: str, depth: int) -> str:
    """The group of an account: its first `depth` segments, or all when it has fewer."""
    return ":".join(account_id.split(":")[:depth])
