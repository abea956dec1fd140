"""How findings are shown: to people, to programs, and as annotations of a workflow."""

import json
from collections.abc import Iterator, Sequence

from bedplate.lint.finding import Finding, Severity

FORMATS = ("text", "json", "github")


def lines(findings: Sequence[Finding], form: str, *, command: str) -> Iterator[str]:
    """The findings in one of FORMATS.

    Args:
        findings: In the order in which they are shown.
        form: The format.
        command: What explains a code, such as `bedplate check --explain`.
    """
    if form == "json":
        yield as_json(findings, command=command)
    elif form == "github":
        yield from (_annotation(finding, command) for finding in findings)
    else:
        for finding in findings:
            yield f"{finding.place}: {finding.severity.value} {finding.code}: {finding.sentence}"


def as_json(findings: Sequence[Finding], *, command: str) -> str:
    """A document of all findings; the shape is part of the command's interface."""
    document = {
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity.value,
                "file": finding.place.file,
                "line": finding.place.line,
                "column": finding.place.column,
                "element": finding.element,
                "sentence": finding.sentence,
                "explain": f"{command} {finding.code}",
            }
            for finding in findings
        ]
    }
    return json.dumps(document, indent=2)


def fails(findings: Sequence[Finding]) -> bool:
    """Whether any of them is more than advice."""
    return any(finding.severity is not Severity.ADVICE for finding in findings)


def _annotation(finding: Finding, command: str) -> str:
    """A workflow command, as continuous integration shows it beside the line."""
    level = {Severity.ADVICE: "notice", Severity.WARNING: "warning"}.get(finding.severity, "error")
    place = [f"file={_property(finding.place.file)}"]
    if finding.place.line:
        place += [f"line={finding.place.line}", f"col={finding.place.column}"]
    text = _escaped(f"{finding.sentence} ({command} {finding.code})")
    return f"::{level} {','.join(place)},title={finding.code}::{text}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
