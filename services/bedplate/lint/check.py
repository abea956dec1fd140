"""`bedplate check`: runs every rule over contracts."""

from collections.abc import Iterable, Sequence

from bedplate.lint import rules
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Finding
from bedplate.lint.rule import RULES, Limits
from bedplate.lint.suppress import Allowance, allow, of_comments

assert rules.__all__  # what is imported for its rules

# A policy that cannot be used is told by the rule that says it best.
_UNUSABLE = "BP105"
_BETTER = frozenset({"BP101", "BP103", "BP106", "BP108", "BP112", "BP118"})


def check(contract: Contract, limits: Limits, allowances: Sequence[Allowance] = ()) -> list[Finding]:
    """What is wrong with contracts, in the order of their files.

    Args:
        contract: What is looked at.
        limits: What the project has chosen.
        allowances: What it allows in its settings; comments are read here.
    """
    found = [
        Finding(
            contract.place(one.element, one.option),
            each.code,
            each.severity,
            one.element,
            _sentence(one.sentence),
        )
        for each in RULES.values()
        for one in each.run(contract, limits)
    ]
    kept = allow(_best(found), [*allowances, *of_comments(contract)])
    return sorted(kept, key=lambda finding: finding.order)


def _best(found: Iterable[Finding]) -> list[Finding]:
    found = list(found)
    told = {finding.element for finding in found if finding.code in _BETTER}
    return [one for one in found if one.code != _UNUSABLE or one.element not in told]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
