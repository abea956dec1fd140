"""What a caller's certificate calls it, for lists of peers.

The common name and the alternative names: DNS names, URIs (SPIFFE ids) and mail
addresses. Addresses of machines are no names: whoever gets the machine's next
lease has them.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

_KINDS = frozenset({"DNS", "URI", "email"})


def names_of_context(context: Any) -> tuple[str, ...]:
    """The names of a gRPC call's caller; none without a certificate."""
    found = context.auth_context()
    values = [*found.get("x509_common_name", ()), *found.get("x509_subject_alternative_name", ())]
    return _distinct(_text(value) for value in values)


def names_of_certificate(certificate: Any) -> tuple[str, ...]:
    """The names in a certificate as the `ssl` module has it; none for none."""
    return _distinct(_listed(certificate)) if certificate else ()


def _listed(certificate: Any) -> Iterator[str]:
    for part in certificate.get("subject", ()):
        yield from (value for name, value in part if name == "commonName")
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in _KINDS:
            yield value


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name and not _is_address(name)))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
