"""Path, query and body become one request, each field from exactly one place."""

import json
from typing import Any

import pytest
from google.protobuf import json_format

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal
from bedplate.gateway.exchange import Request
from bedplate.gateway.routes import parse
from bedplate.gateway.transcode import Plan
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.gateway import shop
from tests.gateway.http_door import Log


@pytest.fixture(scope="module")
def methods() -> Any:
    telemetry = Telemetry(log=LogWriter(Log()))
    yield shop.methods(shop.Handlers(), telemetry, Settings())
    telemetry.log.close()


def plan_of(methods, name: str, at: int = 0) -> Plan:
    method = methods[f"tests.shop.v1.ShopService/{name}"]
    binding = list(bindings(method.descriptor))[at]
    return Plan(method.descriptor, binding, parse(binding.path))


def decode(methods, name: str, *values: str, query: str = "", body: Any = None, **headers: str) -> Any:
    """The request that a method gets, as JSON with proto names."""
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    request = Request("GET", "/", query, sent, peer="", started=0.0)
    request.values = values
    if body is not None:
        request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = plan_of(methods, name).decode(request)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


QUERIES = {
    "": {},
    "&": {},
    "limit=5": {"limit": 5},
    "limit=-5&flag=true": {"limit": -5, "flag": True},
    "flag=false": {},
    "maybe=0": {"maybe": 0},
    "big=9223372036854775807": {"big": "9223372036854775807"},
    "ratio=1.5": {"ratio": 1.5},
    "ratio=NaN": {"ratio": "NaN"},
    "raw=aGk": {"raw": "aGk="},
    "raw=aGk%3D": {"raw": "aGk="},
    "colour=RED": {"colour": "RED"},
    "colour=2": {"colour": "BLUE"},
    "colours=RED&colours=BLUE&colours=RED": {"colours": ["RED", "BLUE", "RED"]},
    "tags=a&tags=&tags=b%26c": {"tags": ["a", "", "b&c"]},
    "tags=a,b": {"tags": ["a,b"]},
    "tags": {"tags": [""]},
    "name=a+b%2Bc%20d": {"name": "a b+c d"},
    "name=a%2526": {"name": "a%26"},
    "name=a;limit=3": {"name": "a;limit=3"},
    "name=a=b": {"name": "a=b"},
    "name=%E2%82%AC": {"name": "€"},
    "%6Eame=a": {"name": "a"},
    "display_name=a": {"display_name": "a"},
    "displayName=a": {"display_name": "a"},
    "part.display_name=a&part.part.limit=3": {"part": {"display_name": "a", "part": {"limit": 3}}},
    "part.displayName=a": {"part": {"display_name": "a"}},
    "part.limit=0": {"part": {}},
    "part.tags=a&part.tags=b": {"part": {"tags": ["a", "b"]}},
    "at=2026-11-22T10:00:00Z": {"at": "2026-11-22T10:00:00Z"},
    "at=2026-11-22T10:00:00%2B02:00": {"at": "2026-11-22T08:00:00Z"},
    "span=1.5s": {"span": "1.500s"},
    "mask=name,part.limit": {"mask": "name,part.limit"},
    "note=": {"note": ""},
    "note.value=x": {"note": "x"},
    "part.note.value=x": {"part": {"note": "x"}},
    "labels[a]=b": {"labels": {"a": "b"}},
    "labels%5Ba%5D=b&labels[c.d%3De%26f]=&labels[]=g": {"labels": {"a": "b", "c.d=e&f": "", "": "g"}},
    "part.labels[a%20b]=c": {"part": {"labels": {"a b": "c"}}},
    "name=a%0Ab%00": {"name": "a\nb\0"},
    "&".join(f"tags={i}" for i in range(1000)): {"tags": [str(i) for i in range(1000)]},
    "note=null": {"note": "null"},
    "wrapped=1&wrapped=2": {"wrapped": ["1", "2"]},
    "left=a": {"left": "a"},
    "right=0": {"right": 0},
}


@pytest.mark.parametrize("query", QUERIES)
def test_parameters_become_fields(methods, query):
    assert decode(methods, "ListThings", query=query) == QUERIES[query]


REFUSED_QUERIES = {
    "limit=1&limit=1": ("limit", "http.twice"),
    "display_name=a&displayName=a": ("display_name", "http.twice"),
    "at=2026-11-22T10:00:00Z&at=2026-11-22T10:00:00Z": ("at", "http.twice"),
    "left=a&right=1": ("right", "http.oneof"),
    "limt=1": ("limt", "http.unknown_parameter"),
    "LIMIT=1": ("LIMIT", "http.unknown_parameter"),
    "part.limt=1": ("part.limt", "http.unknown_parameter"),
    "part..limit=1": ("part..limit", "http.unknown_parameter"),
    ".limit=1": (".limit", "http.unknown_parameter"),
    "=1": ("", "http.unknown_parameter"),
    "limit[]=1": ("limit", "http.parameter"),
    "tags[]=a": ("tags", "http.parameter"),
    "part[limit]=1": ("part", "http.parameter"),
    "part=x": ("part", "http.parameter"),
    "parts=x": ("parts", "http.parameter"),
    "parts.limit=1": ("parts", "http.parameter"),
    "labels=x": ("labels", "http.parameter"),
    "labels.a=b": ("labels", "http.parameter"),
    "labels[a]=b&labels[a]=c": ("labels", "http.twice"),
    "labels[a][b]=c": ("labels", "http.parameter"),
    "labels[a].b=c": ("labels", "http.parameter"),
    "labels[a=b": ("labels", "http.parameter"),
    "labels]=b": ("labels]", "http.unknown_parameter"),
    "limit.x=1": ("limit", "http.parameter"),
    "note=a&note.value=b": ("note", "http.twice"),
    "note.value.value=x": ("note", "http.parameter"),
    "note.valu=x": ("note", "http.parameter"),
    "at.seconds=1": ("at", "http.parameter"),
    "detail=x": ("detail", "http.parameter"),
    "limit=": ("limit", "json.type"),
    "limit=1.0": ("limit", "json.type"),
    "limit=+1": ("limit", "json.type"),
    "limit=010": ("limit", "json.type"),
    "limit=0x10": ("limit", "json.type"),
    "limit=2147483648": ("limit", "json.range"),
    "big=9223372036854775808": ("big", "json.range"),
    "flag=1": ("flag", "json.type"),
    "flag=True": ("flag", "json.type"),
    "colour=red": ("colour", "json.enum"),
    "colour=99": ("colour", "json.enum"),
    "ratio=1e400": ("ratio", "json.range"),
    "raw=!": ("raw", "json.bytes"),
    "span=1h": ("span", "json.duration"),
    "part.at=yesterday": ("part.at", "json.timestamp"),
    "tags=a&colours=RED&colours=green": ("colours", "json.enum"),
    ".".join(["part"] * 40) + ".limit=1": (None, "http.unknown_parameter"),
    "&".join(["limit=1"] * 1001): ("", "http.parameters_max"),
    "&" * 1000: ("", "http.parameters_max"),
}


@pytest.mark.parametrize("query", REFUSED_QUERIES)
def test_a_parameter_that_does_not_fit_is_refused_and_named(methods, query):
    field, rule = REFUSED_QUERIES[query]

    with pytest.raises(Refusal) as caught:
        decode(methods, "ListThings", query=query)

    assert caught.value.reason == "INVALID_REQUEST"
    (violation,) = caught.value.violations
    assert violation.rule == rule
    assert field is None or violation.field == field


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=1&limit=1", "The parameter stands twice; send it once."),
        (
            "display_name=a&displayName=a",
            "The parameter stands twice, as display_name and as displayName; send it once.",
        ),
    ],
)
def test_a_parameter_that_stands_twice_is_told_under_both_names(methods, query, said):
    with pytest.raises(Refusal) as caught:
        decode(methods, "ListThings", query=query)

    assert caught.value.violations[0].sentence == said


@pytest.mark.parametrize("query", ["limit=%", "limit=%zz", "%zz=1", "name=%FF"])
def test_a_malformed_escape_in_the_query_is_refused(methods, query):
    with pytest.raises(Refusal) as caught:
        decode(methods, "ListThings", query=query)

    assert caught.value.reason == "HTTP_MALFORMED"


def test_all_parameters_that_do_not_fit_are_named(methods):
    with pytest.raises(Refusal) as caught:
        decode(methods, "ListThings", query="limit=x&flag=y&nme=z&tags=fine")

    assert [v.field for v in caught.value.violations] == ["limit", "flag", "nme"]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("limt=1", "did you mean limit?"),
        ("part.limt=1", "did you mean part.limit?"),
        ("part=x", "send its fields, such as part.name"),
        ("at=2026-11-22T10:00:00+02:00", "%2B"),
        ("qqqqqqq=1", "leave it out"),
    ],
)
def test_the_refusal_says_what_to_write(methods, query, hint):
    with pytest.raises(Refusal) as caught:
        decode(methods, "ListThings", query=query)

    assert hint in caught.value.violations[0].sentence


def test_a_parameter_that_is_in_the_path_is_refused(methods):
    with pytest.raises(Refusal) as caught:
        decode(methods, "GetThing", "a", query="name=b")

    (violation,) = caught.value.violations
    assert violation.field == "name"
    assert "path" in violation.sentence
    assert "query" in violation.sentence


BODIES = {
    "CreateThing": ((), {"name": "a", "parts": [{"limit": 1}]}, {"name": "a", "parts": [{"limit": 1}]}),
    "MarkThing": (("a",), {"limit": 1}, {"name": "a", "limit": 1}),
    "PutPart": (("a",), {"limit": 1}, {"name": "a", "part": {"limit": 1}}),
    "PatchPart": (("racks/1/parts/2",), {"limit": 1}, {"part": {"name": "racks/1/parts/2", "limit": 1}}),
    "PutTags": (("a",), ["x", "y"], {"name": "a", "tags": ["x", "y"]}),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_body_becomes_what_the_rule_says(methods, name):
    values, body, expected = BODIES[name]

    assert decode(methods, name, *values, body=body) == expected


@pytest.mark.parametrize("name", BODIES)
def test_an_empty_body_sets_nothing_whatever_its_type(methods, name):
    values = BODIES[name][0]

    made = decode(methods, name, *values, content_type="text/plain")

    assert "limit" not in str(made)


def test_a_selected_body_leaves_the_rest_to_the_query(methods):
    made = decode(methods, "PutPart", "a", body={"limit": 1}, query="limit=2&tags=x")

    assert made == {"name": "a", "part": {"limit": 1}, "limit": 2, "tags": ["x"]}


def test_null_is_no_value_and_collides_with_nothing(methods):
    assert decode(methods, "MarkThing", "a", body={"name": None}) == {"name": "a"}
    assert decode(methods, "PutPart", "a", body=b"null") == {"name": "a"}


COLLISIONS = [
    ("MarkThing", ("a",), {"name": "a"}, "", "name"),
    ("MarkThing", ("a",), {"name": ""}, "", "name"),
    ("PatchPart", ("racks/1/parts/2",), {"name": "racks/1/parts/2"}, "", "part.name"),
    ("MarkThing", ("a",), {"limit": 1}, "limit=1", "limit"),
    ("MarkThing", ("a",), {}, "limit=1", "limit"),
    ("PutPart", ("a",), {"limit": 1}, "part.flag=true", "part.flag"),
    ("PutPart", ("a",), {"limit": 1}, "name=b", "name"),
    ("PutTags", ("a",), ["x"], "tags=y", "tags"),
]


@pytest.mark.parametrize(("name", "values", "body", "query", "field"), COLLISIONS)
def test_a_field_from_two_places_is_refused_and_named(methods, name, values, body, query, field):
    with pytest.raises(Refusal) as caught:
        decode(methods, name, *values, body=body, query=query)

    (violation,) = caught.value.violations
    assert (caught.value.reason, violation.field, violation.rule) == ("INVALID_REQUEST", field, "http.twice")


def test_a_path_field_collides_under_either_name(methods):
    method = methods["tests.shop.v1.ShopService/MarkThing"]
    binding = Binding("POST", "/v1/{part.display_name}:mark", "*", "")
    plan = Plan(method.descriptor, binding, parse(binding.path))

    for body in ({"part": {"displayName": "b"}}, {"part": {"display_name": "b"}}):
        request = Request("POST", "/", "", {"content-type": "application/json"}, peer="", started=0.0)
        request.values, request.body = ("a",), json.dumps(body).encode()
        with pytest.raises(Refusal) as caught:
            plan.decode(request)
        assert caught.value.violations[0].field == "part.display_name"


def test_a_path_field_does_not_clear_a_oneof_of_the_body(methods):
    method = methods["tests.shop.v1.ShopService/MarkThing"]
    binding = Binding("POST", "/v1/{left}:mark", "*", "")
    plan = Plan(method.descriptor, binding, parse(binding.path))
    request = Request("POST", "/", "", {"content-type": "application/json"}, peer="", started=0.0)
    request.values, request.body = ("a",), b'{"right": 1}'

    with pytest.raises(Refusal) as caught:
        plan.decode(request)

    assert caught.value.violations[0].rule == "http.oneof"


def test_a_body_where_none_is_expected_is_refused(methods):
    with pytest.raises(Refusal) as caught:
        decode(methods, "GetThing", "a", body={})

    assert caught.value.violations[0].rule == "http.no_body"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": "x"}, "part.limit"),
        ({"nme": 1}, "part.nme"),
        (b'{"limit": 1, "limit": 2}', "part.limit"),
        ([], "part"),
        ({"parts": [{}, {"limit": True}]}, "part.parts[1].limit"),
    ],
)
def test_paths_below_a_selected_body_begin_with_its_field(methods, body, field):
    with pytest.raises(Refusal) as caught:
        decode(methods, "PutPart", "a", body=body)

    assert [v.field for v in caught.value.violations] == [field]


UNFIT = {
    "the path's field nme is no field": Binding("GET", "/v1/{nme}", "", ""),
    "the path's field part.nme is no field": Binding("GET", "/v1/{part.nme}", "", ""),
    "the path's field displayName is no field": Binding("GET", "/v1/{displayName}", "", ""),
    "the path's field tags must be a single": Binding("GET", "/v1/{tags}", "", ""),
    "the path's field part must be a single": Binding("GET", "/v1/{part}", "", ""),
    "the path's field labels must be a single": Binding("GET", "/v1/{labels}", "", ""),
    "the path's field detail must be a single": Binding("GET", "/v1/{detail}", "", ""),
    "the path's field wrapped must be a single": Binding("GET", "/v1/{wrapped}", "", ""),
    "the path's field parts.name must be a single": Binding("GET", "/v1/{parts.name}", "", ""),
    "the body's field nme is no field": Binding("POST", "/v1/x", "nme", ""),
    "the body's field part.name is no field": Binding("POST", "/v1/x", "part.name", ""),
    "the field name cannot come from the path and": Binding("POST", "/v1/{name}", "name", ""),
    "a GET has no body": Binding("GET", "/v1/x", "*", ""),
    "the response_body's field nme is no field": Binding("GET", "/v1/x", "", "nme"),
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_binding_that_does_not_fit_its_method_is_refused_at_start(methods, why):
    binding = UNFIT[why]
    method = methods["tests.shop.v1.ShopService/GetThing"]

    with pytest.raises(PolicyError) as caught:
        Plan(method.descriptor, binding, parse(binding.path))

    assert why in str(caught.value)
    assert "tests.shop.v1.ShopService/GetThing" in str(caught.value)
    assert f"{binding.http_method} {binding.path}" in str(caught.value)


def test_a_response_body_is_the_field_alone(methods):
    plan = plan_of(methods, "GetTags")

    assert json.loads(plan.encode(shop.Answer(method="x", tags=["a", "b"]))) == ["a", "b"]
    assert json.loads(plan.encode(shop.Answer())) == []


def test_a_response_body_that_is_unset_is_null(methods):
    method = methods["tests.shop.v1.ShopService/GetThing"]
    plan = Plan(method.descriptor, Binding("GET", "/v1/x", "", "thing"), parse("/v1/x"))

    assert plan.encode(shop.Answer()) == b"null"
    assert plan.encode(shop.Answer(thing=shop.Thing(limit=1))) == b'{"limit":1}'
