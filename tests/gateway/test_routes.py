"""Templates of google.api.http: what is one, what it matches, and in which order."""

from urllib.parse import quote

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from bedplate.gateway.routes import Match, Route, Routes, parse
from tests.gateway import shop

ACCEPTED = {
    "/v1/things": (("v1", "things"), [], ""),
    "/": (("",), [], ""),
    "/v1/{name}": (("v1", "*"), [("name", 1, 2, False)], ""),
    "/v1/{name=*}": (("v1", "*"), [("name", 1, 2, False)], ""),
    "/v1/{name=things/*}": (("v1", "things", "*"), [("name", 1, 3, True)], ""),
    "/v1/{name=**}": (("v1", "**"), [("name", 1, None, True)], ""),
    "/v1/{name=files/**}:read": (("v1", "files", "**"), [("name", 1, None, True)], "read"),
    "/v1/{a.b.c}/x/{d}": (("v1", "*", "x", "*"), [("a.b.c", 1, 2, False), ("d", 3, 4, False)], ""),
    "/v1/*/x": (("v1", "*", "x"), [], ""),
    "/**": (("**",), [], ""),
    "/v1:mark": (("v1",), [], "mark"),
    "/v1/{name=a}": (("v1", "a"), [("name", 1, 2, False)], ""),
    "/.well-known/jwks.json": ((".well-known", "jwks.json"), [], ""),
    "/v1/caf%C3%A9/a%3Db:b%6Bc": (("v1", "caf%C3%A9", "a%3Db"), [], "b%6Bc"),
    "/v1/{ab}/{abc}": (("v1", "*", "*"), [("ab", 1, 2, False), ("abc", 2, 3, False)], ""),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_template_of_the_grammar_is_read(text):
    segments, variables, verb = ACCEPTED[text]

    template = parse(text)

    assert template.segments == segments
    assert [(v.path, v.start, v.end, v.multi) for v in template.variables] == variables
    assert template.verb == verb


@pytest.mark.parametrize(
    "text",
    [
        *("", "v1/x", "//", "/v1/", "/v1//x", "/:verb", "/v1:", "/v1:a:b", "/v1:a/b", "/v1/a:b/c"),
        *("/v1/{}", "/v1/{=a}", "/v1/{name", "/v1/name}", "/v1/{name=}", "/v1/{name=/a}", "/v1/{name=a/}"),
        *("/v1/a{name}", "/v1/{name}b", "/v1/{a}{b}", "/v1/a*", "/v1/*a", "/v1/***", "/v1/{a=b{c}}"),
        *("/v1/{a={b}}", "/v1/{a={b=c}/d}", "/v1/**/x", "/v1/**/*", "/v1/{a=**}/b", "/v1/{a=**/b}"),
        *("/v1/{a}/{a}", "/v1/{a}/{a.b}", "/v1/{a.b}/{a}", "/v1/{1a}", "/v1/{a.}", "/v1/{.a}", "/v1/{a b}"),
        *("/v1/a b", "/v1/a?b", "/v1/a#b", "/v1/é", "/v1/{a:b}", "/v1/{a}:{b}", "/v1/{a}:*"),
        *(
            "/v1/%",
            "/v1/%4",
            "/v1/%zz",
            "/v1/%FF",
            "/v1/./x",
            "/v1/{a=../*}",
            "/v1/..",
        ),
    ],
)
def test_what_is_no_template_is_refused_and_named(text):
    with pytest.raises(PolicyError, match="the template") as caught:
        parse(text)

    assert repr(text) in str(caught.value)


def table(*entries: str) -> Routes:
    """Routes of entries such as `GET /v1/{name}`, whose targets are the entries."""
    routes = Routes()
    for entry in entries:
        http_method, path = entry.split(" ")
        routes.add(Route(http_method, parse(path), f"method of {path}", entry))
    return routes


TABLE = (
    "GET /v1/things/{name}",
    "POST /v1/things/{name}",
    "GET /v1/things/special",
    "POST /v1/things/only",
    "GET /v1/things/{name}:mark",
    "GET /v1/things:count",
    "GET /v1/{kind}/special",
    "GET /v1/{kind}/{id}/parts",
    "GET /v1/files/{path=**}",
    "GET /v1/files/{path=**}:read",
    "GET /v1/files/index",
    "GET /v1/{name=racks/*/parts/*}",
    "* /v1/any/{name}",
    "PUT /v1/any/{name}",
)
FOUND = {
    "GET /v1/things/a": ("GET /v1/things/{name}", ["a"]),
    "POST /v1/things/a": ("POST /v1/things/{name}", ["a"]),
    "GET /v1/things/special": ("GET /v1/things/special", []),
    # The literal is there, with another method only: the variable answers.
    "GET /v1/things/only": ("GET /v1/things/{name}", ["only"]),
    "POST /v1/things/only": ("POST /v1/things/only", []),
    "GET /v1/things/a:mark": ("GET /v1/things/{name}:mark", ["a"]),
    "GET /v1/things/a:b:mark": ("GET /v1/things/{name}:mark", ["a:b"]),
    "GET /v1/things/a:other": ("GET /v1/things/{name}", ["a:other"]),
    "GET /v1/things/a:": ("GET /v1/things/{name}", ["a:"]),
    # `count` is a verb elsewhere; here it is data.
    "GET /v1/things/a:count": ("GET /v1/things/{name}", ["a:count"]),
    "POST /v1/things/a:mark": ("POST /v1/things/{name}", ["a:mark"]),
    "GET /v1/things:count": ("GET /v1/things:count", []),
    "GET /v1/boxes/special": ("GET /v1/{kind}/special", ["boxes"]),
    # Back to `{kind}` after `things` led nowhere.
    "GET /v1/things/a/parts": ("GET /v1/{kind}/{id}/parts", ["things", "a"]),
    "GET /v1/files/index": ("GET /v1/files/index", []),
    "GET /v1/files/a": ("GET /v1/files/{path=**}", ["a"]),
    "GET /v1/files/a/b/c": ("GET /v1/files/{path=**}", ["a/b/c"]),
    "GET /v1/files": ("GET /v1/files/{path=**}", [""]),
    "GET /v1/files/": ("GET /v1/files/{path=**}", [""]),
    "GET /v1/files/a//b/": ("GET /v1/files/{path=**}", ["a//b/"]),
    "GET /v1/files/../b": ("GET /v1/files/{path=**}", ["../b"]),
    "GET /v1/files/a/b:read": ("GET /v1/files/{path=**}:read", ["a/b"]),
    "GET /v1/racks/1/parts/2": ("GET /v1/{name=racks/*/parts/*}", ["racks/1/parts/2"]),
    "DELETE /v1/any/x": ("* /v1/any/{name}", ["x"]),
    "PUT /v1/any/x": ("PUT /v1/any/{name}", ["x"]),
}


@pytest.mark.parametrize("wanted", FOUND)
def test_a_request_goes_to_the_most_specific_route(wanted):
    target, values = FOUND[wanted]

    found = table(*TABLE).match(*wanted.split(" "))

    assert isinstance(found, Match)
    assert (found.route.target, list(found.values)) == (target, values)


@given(st.permutations(TABLE))
def test_the_order_of_registration_changes_nothing(entries):
    routes = table(*entries)

    for wanted, (target, values) in FOUND.items():
        found = routes.match(*wanted.split(" "))
        assert isinstance(found, Match), wanted
        assert (found.route.target, list(found.values)) == (target, values)


@pytest.mark.parametrize(
    ("wanted", "allow"),
    [
        ("DELETE /v1/things/a", {"GET", "POST"}),
        ("DELETE /v1/things/a:mark", {"GET", "POST"}),
        ("PUT /v1/files/a", {"GET"}),
        ("GET /v1/things/a/b", set()),
        ("GET /v1/things/", set()),
        ("GET /v1//special", set()),
        ("GET /v1/things/a/", set()),
        ("GET /", set()),
        ("GET /v2/things/a", set()),
        ("GET //v1/things/a", set()),
        ("OPTIONS *", set()),
    ],
)
def test_a_path_without_the_method_says_which_it_has(wanted, allow):
    assert table(*TABLE).match(*wanted.split(" ")) == frozenset(allow)


PERCENT = {
    # One segment: everything is unescaped, once, and an escaped slash or colon is data.
    "/v1/things/a%20b": ["a b"],
    "/v1/things/a%2Fb": ["a/b"],
    "/v1/things/a%2fb": ["a/b"],
    "/v1/things/a%252Fb": ["a%2Fb"],
    "/v1/things/a%0Ab%00": ["a\nb\0"],
    "/v1/things/%E2%82%AC": ["€"],
    "/v1/things/a+b": ["a+b"],
    "/v1/things/a%3Amark": ["a:mark"],
    "/v1/things/a%3Ab:mark": ["a:b"],
    "/v1/things/%2E%2E": [".."],
    "/v1/%74hings/a": ["a"],
    # Several segments: an escaped slash stays as it was sent.
    "/v1/files/a%2Fb/c%20d": ["a%2Fb/c d"],
    "/v1/files/a%2fb": ["a%2fb"],
    "/v1/files/a%252Fb": ["a%2Fb"],
    "/v1/files/a%0D/%7F": ["a\r/\x7f"],
    "/v1/files/%E2%82%AC/x": ["€/x"],
    "/v1/racks/1%2F2/parts/3%204": ["racks/1%2F2/parts/3 4"],
}


@pytest.mark.parametrize("path", PERCENT)
def test_escapes_are_resolved_once(path):
    found = table(*TABLE).match("GET", path)

    assert isinstance(found, Match)
    assert list(found.values) == PERCENT[path]


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/things/%", "/v1/things/%2", "/v1/things/%zz", "/v1/things/%2G", "/v1/things/%FF"),
        *("/v1/things/%C3", "/v1/things/%ED%A0%80", "/v1/things/a%:mark"),
        *("/v1/files/%zz", "/v1/files/a%2F%FF", "/nowhere/%zz"),
    ],
)
def test_a_malformed_escape_is_refused(path):
    with pytest.raises(Refusal) as caught:
        table(*TABLE).match("GET", path)

    assert caught.value.reason == "HTTP_MALFORMED"


def test_the_root_is_a_path_of_its_own():
    routes = table("GET /", "GET /{name}")

    found = routes.match("GET", "/")

    assert isinstance(found, Match)
    assert found.route.target == "GET /"
    assert routes.match("GET", "//") == frozenset()


@pytest.mark.parametrize("path", ["/v1/caf%C3%A9/a=b:mark", "/v1/caf%c3%a9/a%3Db:m%61rk"])
def test_a_literal_is_the_same_however_it_is_escaped(path):
    routes = table("GET /v1/caf%C3%A9/a%3Db:mark")

    assert isinstance(routes.match("GET", path), Match)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_the_way_through_one_segment(text):
    path = f"/v1/things/{quote(text, safe='')}"

    found = table("GET /v1/things/{name}", "GET /v1/things/{name}:mark").match("GET", path)

    assert isinstance(found, Match)
    assert found.values == (text,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /v1/{a}", "GET /v1/{b}"),
        ("GET /v1/{name=things/*}", "GET /v1/things/{id}"),
        ("GET /v1/{a=**}", "GET /v1/**"),
        ("* /v1/x", "* /v1/x"),
        ("GET /v1/{a}:mark", "GET /v1/*:mark"),
    ],
)
def test_two_routes_for_the_same_requests_are_refused_with_both_named(one, other):
    with pytest.raises(PolicyError) as caught:
        table(one, other)

    assert f"method of {one.split(' ')[1]} ({one})" in str(caught.value)
    assert f"method of {other.split(' ')[1]} ({other})" in str(caught.value)


def test_bindings_are_the_rule_and_its_additional_ones():
    found = list(bindings(shop.SERVICE.methods_by_name["ListThings"]))

    assert found == [
        Binding("GET", "/v1/things", "", ""),
        Binding("GET", "/v1/boxes/{limit}/things", "", ""),
    ]


def test_all_kinds_of_rules_are_read():
    found = [b.http_method for m in shop.SERVICE.methods for b in bindings(m)]

    assert {"GET", "PUT", "POST", "DELETE", "PATCH", "PURGE", "*"} == set(found)


class Described:
    """As much of a method's descriptor as `bindings` reads, with any rule."""

    full_name = "tests.Shop.Odd"

    def __init__(self, **rule):
        self._options = descriptor_pb2.MethodOptions()
        self._options.Extensions[annotations_pb2.http].CopyFrom(http_pb2.HttpRule(**rule))

    def GetOptions(self):
        return self._options


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({}, "names no path"),
        ({"body": "*"}, "names no path"),
        ({"custom": {"kind": "purge", "path": "/v1/x"}}, "'purge' is no HTTP method"),
        ({"custom": {"kind": "", "path": "/v1/x"}}, "'' is no HTTP method"),
        (
            {"get": "/v1/x", "additional_bindings": [{"get": "/y", "additional_bindings": [{"get": "/z"}]}]},
            "may not have additional_bindings",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_named(rule, why):
    with pytest.raises(PolicyError, match=r"tests\.Shop\.Odd") as caught:
        list(bindings(Described(**rule)))

    assert why in str(caught.value)
