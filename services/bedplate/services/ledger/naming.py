"""Refusals in the words of the request that they answer."""

import re
from collections.abc import Mapping

from bedplate.errors import Refusal, Violation

# What `posting` calls the field: of the only transaction of a batch.
_ONLY = re.compile(r"^transactions\[0\]\.([a-z_]+)(.*)$")


def renamed(refusal: Refusal, names: Mapping[str, str]) -> Refusal:
    """A refusal of a transaction that a request without `transactions` asked for.

    Args:
        refusal: Its fields are named as in PostTransactionsRequest.
        names: The request's own field for a field of the transaction, by its
            whole path or its first part; others are called the same in both.
    """

    def rename(path: str) -> str:
        found = _ONLY.match(path)
        if found is None:
            return path
        name, rest = found.groups()
        return names.get(name + rest) or names.get(name, name + rest)

    # A sentence of INVALID_REQUEST begins with the path; of others no beginning is one.
    path, colon, rest = refusal.sentence.partition(": ")
    facts = {name: rename(value) if name == "field" else value for name, value in refusal.facts.items()}
    return Refusal(
        refusal.kind,
        refusal.reason,
        rename(path) + colon + rest,
        violations=[Violation(rename(each.field), each.sentence, each.rule) for each in refusal.violations],
        retry_after_s=refusal.retry_after_s,
        **facts,
    )
