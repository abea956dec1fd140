"""`bedplate breaking`: runs every comparison over two states of contracts."""

from bedplate.lint.breaking import fields, http, promises, wire
from bedplate.lint.breaking.change import Pair
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Finding


def compare(old: Contract, new: Contract) -> list[Finding]:
    """What a change breaks, in the order of the files as they are now."""
    pair = Pair(old, new)
    found = [
        pair.finding(change)
        for comparison in (wire, http, promises, fields)
        for change in comparison.changes(pair)
    ]
    return sorted(found, key=lambda finding: finding.order)
