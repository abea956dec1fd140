"""What a request is for: the host that it names, and the path and the query of its target."""

import re

HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_AUTHORITY_END = re.compile(r"[/?]|$")


def path_and_query(target: str, http_method: str) -> tuple[str, str]:
    """Path and query of a target, escapes and all; a full URL names this server whatever its host.

    Raises:
        ValueError: It is malformed; the text tells the caller how to mend it.
    """
    if target[0] != "/" and (target != "*" or http_method != "OPTIONS"):
        scheme, colon, rest = target.partition("://")
        end = _AUTHORITY_END.search(rest)
        at = end.start() if end is not None else len(rest)
        if not colon or scheme.lower() not in ("http", "https") or not HOST.fullmatch(rest, 0, at):
            raise ValueError("The target must be a path that begins with /, or a URL of this server.")
        target = rest[at:] if rest.startswith("/", at) else f"/{rest[at:]}"
    if not target.isascii() or "#" in target:
        raise ValueError("The target has characters that a URL may not have; escape them.")
    path, _, query = target.partition("?")
    return path, query
