"""How an answer is written, by parameters: which fields, how pretty, under which names."""

import pytest

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.gateway.beside import view
from bedplate.gateway.codec.text import Unfit
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.routes import parse
from tests.gateway.plans import method_of
from tests.gateway.wire import call

TARGET = "/v1/things/a?limit=3&tags=x&tags=y&displayName=d&colour=RED&labels[k]=v"


async def get(served, parameters, target=TARGET):
    return await call(served.address, "GET", f"{target}&{parameters}")


VIEWS = {
    "fields=method": {"method": "GetThing"},
    "fields=thing.limit": {"thing": {"limit": 3}},
    "fields=method,thing.display_name": {"method": "GetThing", "thing": {"displayName": "d"}},
    "fields=thing.displayName&proto_names=true": {"thing": {"display_name": "d"}},
    "fields=thing(limit,displayName)": {"thing": {"limit": 3, "displayName": "d"}},
    "fields=thing(limit,labels(k)),method": {
        "method": "GetThing",
        "thing": {"limit": 3, "labels": {"k": "v"}},
    },
    "fields=thing.labels.other": {"thing": {"labels": {}}},
    "fields=thing.parts.limit": {"thing": {}},
    "fields=thing.colour&enum_numbers=true": {"thing": {"colour": 1}},
    "$fields=thing.colour&$enumNumbers": {"thing": {"colour": 1}},
    "fields=thing.flag&unset_fields=true": {"thing": {"flag": False}},
    "fields=thing.flag&unsetFields=false": {"thing": {}},
    "fields=tags%2C%20thing.tags.*": {"thing": {"tags": ["x", "y"]}, "tags": ["x", "y"]},
}


@pytest.mark.parametrize("parameters", VIEWS)
async def test_an_answer_holds_what_was_asked_for_as_it_was_asked_for(served, parameters):
    reply = await get(served, parameters)

    expected = dict(VIEWS[parameters])
    assert reply.status == 200
    if "labels.other" in parameters or "parts" in parameters:
        assert set(reply.json) <= {"thing"}  # an empty message or map may be left out
    else:
        assert reply.json == expected


@pytest.mark.parametrize(
    "parameters", ["fields=*", "fields=", "pretty=false", "proto_names=0", "$pretty=false"]
)
async def test_what_asks_for_the_usual_gets_it(served, parameters):
    plain = (await get(served, "limit=3", "/v1/things/a?flag=true")).json
    asked = (await get(served, f"limit=3&{parameters}", "/v1/things/a?flag=true")).json

    assert asked["thing"] == plain["thing"]


@pytest.mark.parametrize(
    "parameters", ["pretty", "pretty=true", "prettyPrint=1", "$pretty", "$prettyPrint=true"]
)
async def test_a_pretty_answer_has_a_line_for_each_field(served, parameters):
    reply = await get(served, parameters)

    assert reply.body.startswith(b'{\n  "method": "GetThing",\n')
    assert reply.body.endswith(b"}\n")
    assert reply.json["thing"]["limit"] == 3


@pytest.mark.parametrize(
    ("parameters", "field", "says"),
    [
        ("fields=thing.limt", "fields", "did you mean limit"),
        ("fields=nothing_like_it", "fields", "no such field"),
        ("fields=thing.limit.more", "fields", "nothing below"),
        ("fields=a,,b", "fields", ""),
        ("fields=thing(limit", "fields", "closing"),
        ("fields=thing)", "fields", "opening"),
        ("fields=thing()", "fields", "names"),
        ("fields=(limit)", "fields", "before each opening"),
        ("fields=thing(limit)method", "fields", "comma"),
        ("fields=" + "(" * 100, "fields", "before each opening"),
        ("fields=" + "thing(" * 50, "fields", "before each opening"),
        ("fields=" + "method," * 1000 + "method", "fields", "4000"),
        ("fields=method&fields=thing", "fields", "twice"),
        ("fields=nothing&pretty=true", "fields", "no such field"),
        ("fields=method&$fields=thing", "fields", "twice"),
        ("pretty=yes", "pretty", "true or false"),
        ("prettyPrint=1&pretty=1", "pretty", "twice"),
        ("enum_numbers=2", "enum_numbers", "true or false"),
    ],
)
async def test_a_view_that_cannot_be_is_refused_by_its_parameter(served, parameters, field, says):
    reply = await get(served, parameters)

    assert (reply.status, reply.json["reason"]) == (400, "INVALID_REQUEST")
    assert reply.json["violations"][0]["field"] == field
    assert says in reply.json["violations"][0]["description"]
    assert served.handlers.entered == []


async def test_a_failure_is_told_whole(served):
    reply = await call(served.address, "GET", "/v1/things/a?fields=method&limit=x")

    assert reply.status == 400
    assert {"type", "title", "status", "detail", "reason", "violations"} <= set(reply.json)


async def test_a_call_with_a_body_has_views_too(served):
    reply = await call(served.address, "POST", "/v1/things?fields=thing.limit", b'{"limit": 3, "name": "n"}')

    assert reply.json == {"thing": {"limit": 3}}


async def test_a_view_of_one_field_of_the_response_begins_there(served):
    reply = await call(served.address, "GET", "/v1/things/a/tags?tags=x&pretty=true")
    refused = await call(served.address, "GET", "/v1/things/a/tags?tags=x&fields=method")

    assert reply.body == b'[\n  "x"\n]\n'
    assert refused.status == 400


SPREAD = {
    "a(b)": "a.b",
    "a(b,c(d,e)),f": "a.b,a.c.d,a.c.e,f",
    "a.b(c.d)": "a.b.c.d",
    " a ( b , c ) , d": "a.b,a.c,d",
    "a(`x(y`)": "a.`x(y`",
    "a(*)": "a.*",
}


@pytest.mark.parametrize("text", SPREAD)
def test_parentheses_are_short_for_paths(text):
    assert view.spread(text) == SPREAD[text]


def test_nested_parentheses_do_not_grow_without_end():
    text = "abcdefgh(" * 30 + ",".join(["x"] * 1_000) + ")" * 30

    with pytest.raises(Unfit, match="characters"):
        view.spread(text)


@pytest.mark.parametrize(
    ("written", "meant"), [("feilds=method", "fields"), ("prety", "pretty"), ("enumNumber", "enumNumbers")]
)
async def test_a_misspelt_view_gets_a_suggestion(served, written, meant):
    reply = await get(served, written)

    assert reply.status == 400
    assert reply.json["detail"].endswith(f"did you mean {meant}?")


def test_a_rule_that_answers_a_field_that_is_not_there_is_refused_by_name_however_answers_are_written():
    binding = Binding("GET", "/v1", "", "nowhere")

    with pytest.raises(PolicyError, match="the response_body's field nowhere is no field of"):
        Endpoint(method_of(unset_fields=True), binding, parse("/v1"), (view.compile,))
