"""What lenient methods may write behind `**`, and verbs that have colons."""

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.contract.policy import PolicyError
from bedplate.gateway.routes import Match, Route, Routes, parse

TAILS = (
    "/v1/{shop=**}",
    "/v1/{shop=**}/bills",
    "/v1/{shop=**}/bills/{bill}",
    "/v1/{shop=**}/bills/open",
    "/v1/{shop=**}/open/bills",
    "/v1/{shop=**}/bills:sum",
    "/v1/{shop=towns/**/markets/*}/bills",
    "/v1/towns/*/{shop=**}/keys/{part=made/*}/of/{maker}",
)
FOUND = {
    "/v1/a/b": (0, ["a/b"]),
    "/v1/a/b/bills": (1, ["a/b"]),
    "/v1/bills": (1, [""]),
    "/v1/a/bills/7": (2, ["a", "7"]),
    "/v1/a/bills/open": (3, ["a"]),
    "/v1/a/open/bills": (4, ["a"]),
    "/v1/a/open/bills/bills": (2, ["a/open", "bills"]),
    "/v1/a/bills/": (0, ["a/bills/"]),
    "/v1/a/b/bills:sum": (5, ["a/b"]),
    "/v1/a%2Fb/c%20d/bills/e%2Ff": (2, ["a%2Fb/c d", "e/f"]),
    "/v1/towns/1/2/markets/3/bills": (6, ["towns/1/2/markets/3"]),
    "/v1/towns/markets/3/bills": (6, ["towns/markets/3"]),
    "/v1/towns/1/2/3/keys/made/4/of/5": (7, ["2/3", "made/4", "5"]),
    "/v1/towns/1/keys/made/4/of/5": (7, ["", "made/4", "5"]),
}


def table(*paths: str) -> Routes:
    routes = Routes()
    for path in paths:
        routes.add(Route("GET", parse(path, tails=True), f"method of {path}", path))
    return routes


@pytest.mark.parametrize("path", FOUND)
def test_the_longest_tail_takes_its_segments_and_the_field_what_is_left(path):
    place, values = FOUND[path]

    match = table(*TAILS).match("GET", path)

    assert isinstance(match, Match)
    assert (match.route.target, list(match.values)) == (TAILS[place], values)


def test_the_order_of_tails_in_the_contract_decides_nothing():
    for order in permutations(TAILS[:5]):
        routes = table(*order)
        found = {path: routes.match("GET", path) for path, (place, _) in FOUND.items() if place < 5}

        assert {path: match.route.target for path, match in found.items()} == {
            path: TAILS[FOUND[path][0]] for path in found
        }


@pytest.mark.parametrize("path", ["/v1/**/x", "/v1/{a=**}/b", "/v1/{a=**/b}", "/v1/**/*"])
def test_a_tail_is_for_lenient_methods(path):
    assert parse(path, tails=True).tail == 1

    with pytest.raises(PolicyError, match="nothing but a verb may follow"):
        parse(path)


@pytest.mark.parametrize("path", ["/v1/**/**", "/v1/{a=**}/x/{b=**}", "/v1/{a=**/x/**}"])
def test_two_fields_of_any_number_of_segments_would_have_many_readings(path):
    with pytest.raises(PolicyError, match=r"it has \*\* twice"):
        parse(path, tails=True)


def test_an_escaped_star_in_a_tail_is_the_character():
    routes = table("/v1/{a=**}/%2A")

    assert isinstance(routes.match("GET", "/v1/x/*"), Match)
    assert isinstance(routes.match("GET", "/v1/x/%2a"), Match)
    assert routes.match("GET", "/v1/x/y") == frozenset()


def test_the_same_tail_twice_stops_the_start():
    with pytest.raises(PolicyError, match="answer the same requests"):
        table("/v1/{a=**}/x", "/v1/{b=**}/x")


SEGMENTS = st.sampled_from(["a", "b", "c", ""])


@given(st.lists(SEGMENTS, max_size=7), st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3))
def test_a_tail_fits_what_a_pattern_of_it_fits(segments, tail):
    routes = table("/a/{x=**}/" + "/".join(tail))
    path = "/a" + "".join(f"/{segment}" for segment in segments)
    pattern = "/a(?:/(.*))?" + "".join("/[^/]+" if text == "*" else f"/{text}" for text in tail)

    match = routes.match("GET", path)

    wanted = re.fullmatch(pattern, path)
    assert isinstance(match, Match) == (wanted is not None)
    if isinstance(match, Match) and wanted is not None:
        assert match.values == (wanted[1] or "",)


VERBS = ("/v1/{a}:all:copy", "/v1/{a}:copy", "/v1/{a}", "/v2/{a}:all:copy")
VERBS_FOUND = {
    "/v1/x:all:copy": (0, "x"),
    "/v1/x:y:all:copy": (0, "x:y"),
    "/v1/x:some:copy": (1, "x:some"),
    "/v1/x%3Aall:copy": (1, "x:all"),
    "/v1/x:all": (2, "x:all"),
    "/v1/:all:copy": (1, ":all"),  # a field is never empty, so the longer verb does not fit
    "/v1/" + ":" * 9_000: (2, ":" * 9_000),
    "/v2/x:all:copy": (3, "x"),
}


@pytest.mark.parametrize("path", VERBS_FOUND, ids=lambda path: path[:20])
def test_the_longest_verb_that_fits_wins(path):
    place, value = VERBS_FOUND[path]

    match = table(*VERBS).match("GET", path)

    assert isinstance(match, Match)
    assert (match.route.target, match.values) == (VERBS[place], (value,))


def test_part_of_a_verb_with_colons_is_none():
    assert table("/v2/{a}:all:copy").match("GET", "/v2/x:copy") == frozenset()
