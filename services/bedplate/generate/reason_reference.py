"""Writes `reasons.md`: every reason that callers can meet, and which method refuses with which."""

import re
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.reasons import Reason, of_file, platform
from bedplate.generate.descriptors import Contracts

_HEAD = """\
# Reasons

Why a call was refused, as a program can tell: `reason` and `domain` of the
answer's `google.rpc.ErrorInfo`. A reason never changes its meaning or its code;
the sentence beside it may. Written from the contracts; never edited.
"""

_AS_OTHER = re.compile(r"\bas\s+(\w+)\s+does\b")


def files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the output folder, and content."""
    parts = [_HEAD, "## On every method", _table(platform().values())]
    packages: dict[str, dict[str, Reason]] = {}
    for file in contracts.files:
        if file.package != "bedplate.v1":
            packages.setdefault(file.package, {}).update(of_file(file))
    for package, reasons in sorted(packages.items()):
        if not reasons:
            continue
        parts += [f"## {package}", _table(reasons.values())]
        for service in contracts.services:
            if service.file.package == package:
                parts.append(f"Refusals of `{service.full_name}`, by method, in the order of its checks:")
                lines = [
                    f"- `{method.name}`: {_listed(refusals(method, reasons, contracts))}"
                    for method in service.methods
                ]
                parts.append("\n".join(lines))
    yield "reasons.md", "\n\n".join(part.strip("\n") for part in parts) + "\n"


def refusals(
    method: MethodDescriptor,
    reasons: Mapping[str, Reason],
    contracts: Contracts,
    *,
    seen: frozenset[str] = frozenset(),
) -> list[str]:
    """The reasons that a method's comment lists, in its order; those of "as Other does" too."""
    service = method.containing_service
    comment = contracts.comments.get(f"{service.full_name}.{method.name}", "")
    found = [word for word in re.findall(r"\b[A-Z][A-Z0-9_]+\b", comment) if word in reasons]
    for other in _AS_OTHER.findall(comment):
        if other in service.methods_by_name and other not in seen:
            found += refusals(service.methods_by_name[other], reasons, contracts, seen=seen | {method.name})
    return list(dict.fromkeys(found))


def _table(reasons: Iterable[Reason]) -> str:
    lines = ["| reason | domain | code | try again | what to do |", "|---|---|---|---|---|"]
    for reason in reasons:
        again = "yes" if reason.retryable else "no"
        lines.append(f"| `{reason.name}` | {reason.domain} | {reason.code} | {again} | {reason.help} |")
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "only those of every method"
