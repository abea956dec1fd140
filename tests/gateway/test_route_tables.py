"""Tables of many routes: against a matcher that tries them all, in any order, and at a bounded cost."""

import itertools
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.contract.policy import PolicyError
from bedplate.gateway.routes import Match, Route, Routes, parse

_METHODS = st.sampled_from(["GET", "POST", "*"])
_ENDS = st.sampled_from(["", "", "/**", "/{rest=**}"])
_PARTS = st.sampled_from(["a", "b", "a", "*", "{{v{}}}", "{{v{}=b}}", "{{v{}=a/*}}"])


@st.composite
def _templates(draw: Any) -> str:
    parts = draw(st.lists(_PARTS, min_size=1, max_size=4))
    path = "".join("/" + part.format(index) for index, part in enumerate(parts)) + draw(_ENDS)
    return path + draw(st.sampled_from(["", "", ":x", ":y"]))


_TABLES = st.lists(st.tuples(_METHODS, _templates()), min_size=1, max_size=12)
_PATHS = st.lists(
    st.sampled_from(["a", "b", "c", "", "a:x", "b:y", "c:z", ":x", "%61", "a%2Fb", "a%3Ax"]),
    min_size=1,
    max_size=6,
)


def _build(entries: list[tuple[str, str]]) -> tuple[Routes, list[Route]]:
    """The table, without the entries that another one makes ambiguous."""
    routes, kept = Routes(), []
    for http_method, path in entries:
        route = Route(http_method, parse(path), path, (http_method, path))
        try:
            routes.add(route)
        except PolicyError:
            continue
        kept.append(route)
    return routes, kept


def _unescape(segment: str) -> str:
    return segment.replace("%61", "a").replace("%2F", "/").replace("%3A", ":")


def _fits(template: Any, segments: list[str], verb: str) -> bool:
    if template.verb != verb:
        return False
    wanted = list(template.segments)
    if wanted[-1] == "**":
        wanted.pop()
        if len(segments) < len(wanted):
            return False
    elif len(segments) != len(wanted):
        return False
    return all(w == s or (w == "*" and s) for w, s in zip(wanted, segments, strict=False))


def _rank(route: Route) -> tuple[Any, ...]:
    kinds = [{"*": 1, "**": 2}.get(segment, 0) for segment in route.template.segments]
    return (not route.template.verb, kinds, route.http_method == "*")


def _slow_match(kept: list[Route], http_method: str, segments: list[str]) -> tuple[Route | None, set[str]]:
    """What the rules say, by trying all routes."""
    readings = [([_unescape(s) for s in segments], "")]
    base, colon, verb = segments[-1].rpartition(":")
    if colon and any(route.template.verb == verb for route in kept):
        readings.append(([_unescape(s) for s in [*segments[:-1], base]], verb))
    fitting = [route for route in kept for reading in readings if verb_fits(route, reading)]
    answering = [r for r in fitting if r.http_method in (http_method, "*")]
    return min(answering, key=_rank, default=None), {route.http_method for route in fitting}


def verb_fits(route: Route, reading: tuple[list[str], str]) -> bool:
    return _fits(route.template, *reading)


@settings(max_examples=300, deadline=None)
@given(_TABLES, st.lists(_PATHS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_a_table_answers_as_if_all_routes_were_tried_in_whatever_order_they_came(entries, paths, random):
    _, kept = _build(entries)
    shuffled = [(route.http_method, route.template.text) for route in kept]
    random.shuffle(shuffled)
    routes, again = _build(shuffled)
    assert len(again) == len(kept)

    for segments, http_method in itertools.product(paths, ["GET", "POST", "PUT"]):
        found = routes.match(http_method, "/" + "/".join(segments))
        expected, allow = _slow_match(kept, http_method, segments)
        if expected is None:
            assert found == allow, (http_method, segments)
        else:
            assert isinstance(found, Match), (http_method, segments)
            assert found.route.target == expected.target
            assert len(found.values) == len(expected.template.variables)


def test_any_stands_for_all_methods_but_options_which_the_server_answers():
    routes, _ = _build([("*", "/v1/any/{x}"), ("PURGE", "/v1/any/{x}")])

    for http_method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "REPORT"):
        found = routes.match(http_method, "/v1/any/a")
        assert isinstance(found, Match)
        assert found.route.http_method == "*"

    assert routes.match("OPTIONS", "/v1/any/a") == {"DELETE", "GET", "PATCH", "POST", "PURGE", "PUT"}


def _visits(do: Callable[[], object]) -> int:
    """How many functions of the router ran."""
    count = 0

    def look(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_name == "_find"

    sys.setprofile(look)
    try:
        do()
    finally:
        sys.setprofile(None)
    return count


def test_a_search_visits_a_node_of_the_table_at_most_once_for_each_reading():
    # Every way through five segments is registered, and none ends where the path does.
    depth = 5
    entries = [
        ("GET", "/" + "/".join(way) + "/end")
        for way in itertools.product(("a", "*"), repeat=depth)
        if "*" in way
    ]
    routes, kept = _build([*entries, ("GET", "/x:verb")])
    nodes = 2 ** (depth + 1) - 1
    assert len(kept) == 2**depth

    visits = _visits(lambda: routes.match("GET", "/" + "/".join(["a"] * depth) + "/none:verb"))

    assert nodes - depth <= visits <= 2 * (nodes + 2)


def test_a_long_path_costs_no_more_visits_than_the_table_is_deep():
    entries = [("GET", "/" + "/".join(["*"] * depth) + "/**:verb") for depth in range(40)]
    routes, _ = _build([("GET", path.replace("//", "/")) for _, path in entries])

    visits = _visits(lambda: routes.match("GET", "/a" * 30_000 + ":none"))

    assert visits <= 41
