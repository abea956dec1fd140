"""What a project allows on purpose: by a comment in the contract, or in its pyproject.toml."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bedplate.lint.contract import Contract
from bedplate.lint.finding import Finding, Place, Severity
from bedplate.lint.outline import Element

UNUSED = "BP001"
_COMMENT = re.compile(r"//\s*bedplate:\s*allow\b(?P<rest>.*)")
_SAID = re.compile(r"\s+(?P<code>BP\d{3})(?:\s*:\s*|\s+)(?P<reason>\S.*)")


@dataclass
class Allowance:
    """That a code is meant at a place.

    Attributes:
        code: The code.
        elements: Full names of what may break the rule.
        place: Where the allowance stands.
        reason: Why; empty is a mistake.
        used: The elements at which it was needed.
    """

    code: str
    elements: tuple[str, ...]
    place: Place
    reason: str
    used: set[str] = field(default_factory=set)


def of_comments(contract: Contract) -> Iterator[Allowance]:
    """What comments `// bedplate: allow BP436: reason` allow, for what they stand in or before."""
    for name in contract.own:
        lines = contract.lines.get(name, [])
        elements = [element for element in contract.elements.values() if element.file == name]
        for number, line in enumerate(lines, start=1):
            found = _COMMENT.search(line)
            if found is None:
                continue
            element = _of_line(elements, lines, number)
            place = contract.place(element.name if element else name)
            said = _SAID.fullmatch(found["rest"].rstrip())
            yield Allowance(
                code=said["code"] if said else "",
                elements=(element.name,) if element else (),
                place=Place(place.file, number, found.start() + 1),
                reason=said["reason"] if said else "",
            )


def allow(findings: Iterable[Finding], allowances: Sequence[Allowance]) -> list[Finding]:
    """The findings that nobody allows, and what is wrong with the allowances."""
    left = []
    for finding in findings:
        fitting = [
            one
            for one in allowances
            if one.code == finding.code and one.reason and finding.element in one.elements
        ]
        for one in fitting:
            one.used.add(finding.element)
        if not fitting:
            left.append(finding)
    for one in allowances:
        left += [Finding(one.place, UNUSED, Severity.ERROR, "", text) for text in _wrong(one)]
    return left


def _wrong(one: Allowance) -> Iterator[str]:
    if not one.code or not one.reason:
        yield "an allowance needs a code and a reason, such as: bedplate: allow BP436: ids may hold colons"
    elif unused := [name for name in one.elements if name not in one.used]:
        yield f"{one.code} is allowed here and not found at {', '.join(unused)}; remove the allowance"
    elif not one.elements:
        yield f"{one.code} is allowed here for nothing; write it in or before what it is for"


def _of_line(elements: Sequence[Element], lines: Sequence[str], number: int) -> Element | None:
    """The innermost element around a line, or the one that the comment of the line stands before."""
    around = [one for one in elements if one.kind != "file" and one.line <= number <= one.end]
    code = lines[number - 1].partition("//")[0].strip()
    if not code:
        below = number
        while below < len(lines) and lines[below - 1].lstrip().startswith("//"):
            below += 1
        before = [one for one in elements if one.kind != "file" and one.line == below]
        if before:
            return before[0]
    return max(around, key=lambda one: (one.line, -one.end)) if around else None
