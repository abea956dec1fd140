"""Finds a method of a contract by what a person types."""

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor


def all_methods() -> "Iterator[tuple[str, MethodDescriptor]]":
    """Each method under its short name, such as `ledger.GetLedger`."""
    from bedplate.services.registry import callable_names, contract

    for noun in callable_names():
        for method in contract(noun).methods:
            yield f"{noun}.{method.name}", method


def find_method(text: str) -> "MethodDescriptor":
    """The method of a name: `ledger.GetLedger`, `GetLedger`, `LedgerService/GetLedger` or the full name.

    Raises:
        Stop: There is none, or several; the lines name what comes close.
    """
    methods = dict(all_methods())
    wanted = text.strip().lstrip("/").lower()
    found = {short: method for short, method in methods.items() if wanted in _names(short, method)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise Stop(Exit.USAGE, f"{text} is the name of several methods: {', '.join(found)}.")
    known = {name: short for short, method in methods.items() for name in _names(short, method)}
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    names = list(dict.fromkeys(known[name] for name in close))
    raise Stop(
        Exit.USAGE,
        f"There is no method {text}.",
        f"Did you mean {' or '.join(names)}?" if names else f"There are: {', '.join(methods)}.",
    )


def _names(short: str, method: "MethodDescriptor") -> tuple[str, ...]:
    service = method.containing_service
    return tuple(
        name.lower()
        for name in (
            short,
            method.name,
            f"{service.name}/{method.name}",
            f"{service.name}.{method.name}",
            f"{service.full_name}/{method.name}",
            method.full_name,
        )
    )


def complete_method(incomplete: str) -> list[str]:
    """Method names for the shell's completion."""
    methods = list(all_methods())
    found = [short for short, _ in methods if short.startswith(incomplete)]
    return found or [method.name for _, method in methods if method.name.startswith(incomplete)]


def complete_service(incomplete: str) -> list[str]:
    """Service names for the shell's completion."""
    from bedplate.services.registry import all_names

    return [name for name in all_names() if name.startswith(incomplete)]
