"""What an account stands for, as declared or as its name says."""

import re
from collections.abc import Mapping

from bedplate.services.ledger.journal.model import TypeLetter

_BY_NAME: tuple[tuple[re.Pattern[str], TypeLetter], ...] = (
    (re.compile(r"assets?(:|$)", re.IGNORECASE), "A"),
    (re.compile(r"(debts?|liabilit(y|ies))(:|$)", re.IGNORECASE), "L"),
    (re.compile(r"equity(:|$)", re.IGNORECASE), "E"),
    (re.compile(r"(income|revenue)s?(:|$)", re.IGNORECASE), "R"),
    (re.compile(r"(expense|cost)s?(:|$)", re.IGNORECASE), "X"),
)


def type_of(account: str, declared: Mapping[str, TypeLetter]) -> TypeLetter:
    """The type that is declared for an account or the nearest one above it, or that its name says.

    An account of which nothing is known counts as an asset: its balance has
    then the sign that the journal gives it.
    """
    name = account
    while name:
        if (letter := declared.get(name)) is not None:
            return letter
        name = name.rpartition(":")[0]
    for pattern, by_name in _BY_NAME:
        if pattern.match(account):
            return by_name
    return "A"
