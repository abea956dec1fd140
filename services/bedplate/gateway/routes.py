"""Finds the method that an HTTP request is for, by the templates of google.api.http.

The templates of all methods make one trie. A literal wins over `*` and `*` over
`**`, segment by segment, whatever the order in which the routes were added; two
routes that answer the same requests stop the start. A verb (`:post`) is looked
for only where one is registered, so that a colon in a value stays data.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from bedplate.contract.policy import PolicyError
from bedplate.errors import Kind, Refusal

# HTTP method of a binding that leaves it open, `custom: {kind: "*"}`. OPTIONS
# is not one of them: browsers ask it without a credential, and are to be told
# what there is. Nor are those that are about the way of a request and no call.
ANY = "*"
_NOT_ANY = frozenset({"CONNECT", "OPTIONS", "TRACE"})
_METHODS_OF_ANY = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})

# What may stand in a literal segment or a verb: a colon would read as a verb,
# an equals sign as a variable's, so they are written as escapes there.
_LITERAL = r"(?:[A-Za-z0-9._~!$&'()+,;@-]|%[0-9A-Fa-f]{2})+"
_SEGMENT = rf"(?:\*\*|\*|{_LITERAL})"
_FIELD_PATH = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_PART = re.compile(rf"/(?:\{{({_FIELD_PATH})(?:=({_SEGMENT}(?:/{_SEGMENT})*))?\}}|({_SEGMENT}))")
# Behind a variable nothing else can be meant by further colons than a verb that has some.
_VERB = re.compile(rf":({_LITERAL}|(?<=\}}:){_LITERAL}(?::{_LITERAL})+)$")

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED_SLASH = re.compile(r"(%2[Ff])")


class Variable(NamedTuple):
    """A part of the path that goes into a field.

    Attributes:
        path: The field's path in the request, dotted, as the template writes it.
        start: Its first segment.
        end: One past its last segment; None when it goes on to the end (`**`).
        multi: Whether it can take more than one segment, so that an escaped
            slash in it stays escaped.
    """

    path: str
    start: int
    end: int | None
    multi: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A path template, read.

    Attributes:
        text: As it was written.
        segments: Literals as they were written, `*` and `**`.
        variables: The variables, from left to right.
        verb: The verb without its colon; empty for none.
        tail: How many segments follow `**`.
    """

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str
    tail: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A binding's place in the table: `target` is what the request goes to, `place` names it in errors."""

    http_method: str
    template: Template
    place: str
    target: Any


class Match(NamedTuple):
    """The route of a request, and the text of each of its variables, unescaped, in order."""

    route: Route
    values: tuple[str, ...]


def parse(text: str, *, tails: bool = False) -> Template:
    """Read a path template; `tails`: further segments may follow `**`, as some take them.

    Raises:
        PolicyError: It is not of google.api.http's grammar. The text says where
            and why, and not which method has it.
    """
    if text == "/":  # the grammar has no such template, and yet others take it: a server has a root
        return Template(text, ("",), (), "")
    segments: list[str] = []
    variables: list[Variable] = []
    at = 0
    while part := _PART.match(text, at):
        at = part.end()
        path, inner, segment = part.groups()
        start = len(segments)
        segments += (inner or segment or "*").split("/")
        if path:
            multi = "**" in segments[start:] or len(segments) > start + 1
            variables.append(Variable(path, start, len(segments), multi))
    found = _VERB.match(text, at)
    at = found.end() if found else at
    verb = found[1] if found else ""
    if at != len(text) or not segments:
        why = "a segment is a literal, *, ** or one {variable}, whole; after the last may be a :verb"
    else:
        why = _mistake(segments, variables, verb, tails)
    if why:
        raise PolicyError(f"the template {text!r} is wrong near character {at}: {why}")
    if segments[-1] == "**" and variables and variables[-1].end == len(segments):
        variables[-1] = variables[-1]._replace(end=None)
    tail = len(segments) - segments.index("**") - 1 if "**" in segments else 0
    return Template(text, tuple(segments), tuple(variables), verb, tail)


def _mistake(segments: list[str], variables: list[Variable], verb: str, tails: bool) -> str:
    """What is wrong with a template whose every part is right; empty: nothing."""
    if segments.count("**") > 1:
        return "it has ** twice"
    if "**" in segments[:-1] and not tails:
        return "nothing but a verb may follow **"
    try:
        plain = [unescape(text) for text in (verb, *segments)]
    except Refusal:
        return "its escapes are no UTF-8 text"
    if "." in plain[1:] or ".." in plain[1:]:
        return "callers resolve . and .. before they send them, escaped or not, so nobody can ask for this"
    steps = [f"{variable.path}." for variable in variables]
    for index, path in enumerate(steps):
        for other in steps[:index]:
            if path.startswith(other) or other.startswith(path):
                return f"the field {other[:-1]} stands in two variables"
    return ""


class _Node:
    """What can follow the segments so far: further ones, an end, or `**` and what is behind it.

    The last two are by verb and HTTP method.
    """

    __slots__ = ("ends", "literals", "star", "tails")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.star: _Node | None = None
        self.ends: dict[str, dict[str, Route]] = {}
        # The most specific first: the longest, and literals before `*` (None); empty for `**` at the end.
        self.tails: list[tuple[tuple[str | None, ...], dict[str, dict[str, Route]]]] = []

    def tail(self, segments: tuple[str | None, ...]) -> dict[str, dict[str, Route]]:
        """Where routes are that have these segments behind `**`."""
        for tail, known in self.tails:
            if tail == segments:
                return known
        leaf: dict[str, dict[str, Route]] = {}
        self.tails.append((segments, leaf))
        self.tails.sort(key=lambda found: (-len(found[0]), [text is None for text in found[0]]))
        return leaf


class Routes:
    """The routes of a process."""

    def __init__(self) -> None:
        self._root = _Node()
        self._verbs: set[str] = set()
        self._verb_parts = 1  # of the verb with most colons
        # Paths of templates without wildcards: nothing can be more specific.
        self._exact: dict[str, dict[str, Match]] = {}

    def add(self, route: Route) -> None:
        """Add a route.

        Raises:
            PolicyError: Another route answers the same requests; both are named.
        """
        template = route.template
        node = self._root
        leaf = node.ends
        for at, segment in enumerate(template.segments):
            if segment == "**":
                after = template.segments[at + 1 :]
                leaf = node.tail(tuple(None if text == "*" else unescape(text) for text in after))
                break
            if segment == "*":
                node.star = node.star or _Node()
                node = node.star
            else:
                node = node.literals.setdefault(unescape(segment), _Node())
            leaf = node.ends
        verb = unescape(template.verb)
        routes = leaf.setdefault(verb, {})
        other = routes.get(route.http_method)
        if other is not None:
            raise PolicyError(
                f"{other.place} ({other.http_method} {other.template.text}) and {route.place} "
                f"({route.http_method} {template.text}) answer the same requests; change one of the paths."
            )
        routes[route.http_method] = route
        if verb:
            self._verbs.add(verb)
            self._verb_parts = max(self._verb_parts, verb.count(":") + 1)
        if not {"*", "**"} & {*template.segments} and "%" not in template.text:
            path = "/" + "/".join(template.segments) + (f":{verb}" if verb else "")
            values = _values(template, [*template.segments], [*template.segments])
            self._exact.setdefault(path, {})[route.http_method] = Match(route, values)

    def match(self, http_method: str, path: str) -> Match | frozenset[str]:
        """The route for a request, or the HTTP methods that its path has; an empty set: no such path.

        Each node of the trie is visited at most once for each verb that the path may
        have, and once for none, however long the path is.

        Args:
            http_method: In capitals.
            path: The target's path as sent, escapes and all, without the query.

        Raises:
            Refusal: HTTP_MALFORMED: an escape in the path is malformed.
        """
        exact = self._exact.get(path)
        if exact is not None and http_method in exact:
            return exact[http_method]
        raw = path[1:].split("/")
        plain = [unescape(segment) for segment in raw] if "%" in path else raw
        allow: set[str] = set()
        # Colons are looked for before unescaping: an escaped one is data. The longest verb comes first.
        parts = raw[-1].rsplit(":", self._verb_parts) if ":" in raw[-1] else ()
        for at in range(1, len(parts)):
            verb = unescape(":".join(parts[at:]))
            if verb in self._verbs:
                base = ":".join(parts[:at])
                with_verb = [*plain[:-1], unescape(base)]
                route = _find(self._root, with_verb, 0, verb, http_method, allow)
                if route is not None:
                    return Match(route, _values(route.template, [*raw[:-1], base], with_verb))
        route = _find(self._root, plain, 0, "", http_method, allow)
        if route is not None:
            return Match(route, _values(route.template, raw, plain))
        return frozenset(allow - {ANY} | _METHODS_OF_ANY if ANY in allow else allow)


def _find(
    node: _Node, segments: list[str], at: int, verb: str, http_method: str, allow: set[str]
) -> Route | None:
    """Depth first, the most specific first; every node of the trie is visited at most once."""
    if at < len(segments):
        segment = segments[at]
        child = node.literals.get(segment)
        if child is not None:
            route = _find(child, segments, at + 1, verb, http_method, allow)
            if route is not None:
                return route
        if node.star is not None and segment:
            route = _find(node.star, segments, at + 1, verb, http_method, allow)
            if route is not None:
                return route
    if at == len(segments):
        route = _choose(node.ends.get(verb), http_method, allow)
        if route is not None:
            return route
    for tail, leaf in node.tails:
        if not tail or (len(segments) - at >= len(tail) and _fits(tail, segments[-len(tail) :])):
            route = _choose(leaf.get(verb), http_method, allow)
            if route is not None:
                return route
    return None


def _choose(routes: dict[str, Route] | None, http_method: str, allow: set[str]) -> Route | None:
    if routes is None:
        return None
    route = routes.get(http_method) or (None if http_method in _NOT_ANY else routes.get(ANY))
    if route is None:
        allow.update(routes)
    return route


def _fits(tail: tuple[str | None, ...], segments: list[str]) -> bool:
    return all(
        segment if text is None else segment == text for text, segment in zip(tail, segments, strict=True)
    )


def _values(template: Template, raw: list[str], plain: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    shift = len(raw) - len(template.segments) if template.tail else 0
    after = len(template.segments) - template.tail if shift else 0
    for _, start, end, multi in template.variables:
        if shift:  # what is behind `**` is counted from the end
            start += shift if start >= after else 0
            end = end + shift if end is not None and end >= after else end
        found.append("/".join(map(_keep_slashes, raw[start:end])) if multi else plain[start])
    return tuple(found)


def _keep_slashes(segment: str) -> str:
    if "%" not in segment:
        return segment
    parts = _ESCAPED_SLASH.split(segment)
    return "".join(part if _ESCAPED_SLASH.fullmatch(part) else unescape(part) for part in parts)


def unescape(text: str) -> str:
    """The text with its percent escapes resolved, once; control characters are data as any other.

    Raises:
        Refusal: HTTP_MALFORMED: an escape is malformed, or the bytes are no UTF-8.
    """
    if "%" not in text:
        return text
    if not _BAD_ESCAPE.search(text):
        try:
            return unquote_to_bytes(text).decode("utf-8")
        except UnicodeDecodeError:
            pass
    raise Refusal(
        Kind.INVALID,
        "HTTP_MALFORMED",
        "The URL has a malformed escape; write % and two hexadecimal digits for each byte of the UTF-8 text.",
    )
