"""BP493 and BP494: what a service refuses with is declared, and told truly."""

import re
from collections.abc import Iterator

from google.protobuf.descriptor import EnumDescriptor
from google.rpc import code_pb2

from bedplate.contract.reasons import Reason, of_file, platform
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, Limits, rule
from bedplate.v1 import policy_pb2

_CODES = frozenset(code_pb2.Code.keys())
_REFUSAL = re.compile(r"\b([A-Z][A-Z_]+[A-Z])\s+([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b")


@rule("BP493")
def reasons_are_whole(contract: Contract, limits: Limits) -> Iterator[Found]:
    """A reason has a code and says what the caller can do."""
    for enum in contract.enums:
        if enum.GetOptions().HasExtension(policy_pb2.reasons):
            yield from _values(enum)
        elif enum.name.endswith("Reason") and any(_is_reason(enum, at) for at in range(len(enum.values))):
            yield Found(
                enum.full_name,
                f"{enum.name} declares reasons and no domain, so nobody finds them; add option "
                '(bedplate.v1.reasons) = {domain: "<noun>.<company>"}',
            )


@rule("BP494", Severity.WARNING)
def comments_tell_declared_reasons(contract: Contract, limits: Limits) -> Iterator[Found]:
    """What a method's comment says it refuses with is there, with that code."""
    declared: dict[str, dict[str, Reason]] = {}
    for file in contract.files:
        declared.setdefault(file.package, {}).update(of_file(file))
    for method in contract.methods:
        name = method.descriptor.full_name
        reasons = {
            **declared.get(method.descriptor.containing_service.file.package, {}),
            **platform(),
        }
        element = contract.elements.get(name)
        for code, word in _REFUSAL.findall(element.comment if element else ""):
            if code not in _CODES:
                continue
            if word not in reasons:
                yield Found(
                    name,
                    f"{method.name} is said to refuse with {word}, which no reason of its package or of the "
                    "platform is called; declare it in the reasons enum, or mend the comment",
                )
            elif not _fits(word, code, reasons):
                yield Found(
                    name,
                    f"{method.name} is said to refuse with {code} {word}, and the reason goes with "
                    f"{reasons[word].code}; mend the comment",
                )


def _fits(word: str, code: str, reasons: dict[str, Reason]) -> bool:
    return code in (reasons[word].code, platform()[word].code if word in platform() else "")


def _values(enum: EnumDescriptor) -> Iterator[Found]:
    for value in enum.values:
        if value.number == 0:
            continue
        reason = value.GetOptions().Extensions[policy_pb2.reason]
        if not reason.code or not reason.help:
            what = "code" if not reason.code else "help"
            yield Found(
                f"{enum.full_name}.{value.name}",
                f"{value.name} has no {what}; write [(bedplate.v1.reason) = {{code: NOT_FOUND help: "
                '"What the caller can do."}]',
            )


def _is_reason(enum: EnumDescriptor, at: int) -> bool:
    return bool(enum.values[at].GetOptions().HasExtension(policy_pb2.reason))
