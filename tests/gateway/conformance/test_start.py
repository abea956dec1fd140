"""Contracts that do not start: templates that are none, and routes that answer the same requests."""

from itertools import permutations

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.bindings import bindings
from bedplate.contract.policy import PolicyError, resolve
from bedplate.gateway.endpoint import Endpoint
from bedplate.gateway.routes import Match, Route, Routes, parse
from tests.gateway.conformance import contract  # noqa: F401 - registers what contracts import


def behaviour(number):
    """Which of the questions of docs/http.md a test answers."""
    return pytest.mark.parametrize("behaviour", [pytest.param(number, id=f"behaviour {number}")])


class Served:
    """A method as the gateway takes it, without a server."""

    client_streaming = server_streaming = False

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.policy = resolve(descriptor)
        self.name = self.policy.method
        self.request_class = GetMessageClass(descriptor.input_type)
        self.response_class = GetMessageClass(descriptor.output_type)


def routes(*rules):
    """The routes of a service with a method for each rule; method `M0` has the first."""
    methods = "".join(
        f'method {{ name: "M{number}" input_type: ".conformance.v1.RouteRequest" '
        f'output_type: ".conformance.v1.Seen" options {{ [google.api.http] {{ {rule} }} }} }}\n'
        for number, rule in enumerate(rules)
    )
    file = text_format.Parse(
        'name: "start.proto" package: "start" syntax: "proto3" dependency: "google/api/annotations.proto"\n'
        'dependency: "conformance/v1/routes.proto"\n'
        f'service {{ name: "StartService" {methods} }}',
        descriptor_pb2.FileDescriptorProto(),
    )
    pool = descriptor_pool.DescriptorPool()
    _copy(descriptor_pool.Default().FindFileByName("conformance/v1/routes.proto"), pool, set())
    pool.AddSerializedFile(file.SerializeToString())
    made = Routes()
    for method in pool.FindServiceByName("start.StartService").methods:
        for binding in bindings(method):
            template = parse(binding.path)
            made.add(
                Route(
                    binding.http_method,
                    template,
                    f"{method.name}",
                    Endpoint(Served(method), binding, template),
                )
            )
    return made


def _copy(file, pool, done):
    for needed in file.dependencies:
        if needed.name not in done:
            _copy(needed, pool, done)
    done.add(file.name)
    pool.AddSerializedFile(file.serialized_pb)


WRONG = [
    *(
        "",
        "v1",
        "v1/x",
        "//",
        "/v1/",
        "/v1//x",
        "/{}",
        "/{a",
        "/a}",
        "/{a}}",
        "/{{a}}",
        "/x{a}",
        "/{a}x",
    ),
    *(
        "/{a}{b}",
        "/:read",
        "/v1/x:",
        "/v1/x:a:b",
        "/v1/*:a:b",
        "/v1/{a}::b",
        "/v1/{a}:b:",
        "/v1/x:a/b",
        "/**/x",
        "/**/*",
        "/{a=**}/x",
        "/{a=**/x}",
    ),
    *("/{a={b}}", "/{a=}", "/{=x}", "/{a=/x}", "/{a=x/}", "/{1a}", "/{a.}", "/{.a}", "/{a..b}", "/{a b}"),
    *(
        "/a b",
        "/a?b",
        "/a#b",
        "/a%",
        "/a%2",
        "/a%zz",
        "/***",
        "/*x",
        "/{a=***}",
        "/{a}/{a}",
        "/{inner}/{inner.x}",
    ),
    *("/%ff", "/a:%ff", "/{a=%C3/*}", "/./x", "/x/..", "/%2e/x", "/x/%2E.", "/{a=x/%2e%2E}"),
]


@behaviour(2)
@pytest.mark.parametrize("path", WRONG)
def test_a_template_that_is_none_does_not_start(path, behaviour):
    with pytest.raises(PolicyError) as caught:
        routes(f'get: "{path}"')

    assert len(str(caught.value)) < 400


SAME = [
    ('get: "/v1/x"', 'get: "/v1/x"'),
    ('get: "/v1/{a}"', 'get: "/v1/{b}"'),
    ('get: "/v1/{a}"', 'get: "/v1/*"'),
    ('get: "/v1/{a=*}"', 'get: "/v1/{b}"'),
    ('get: "/v1/{a=x/*}"', 'get: "/v1/x/{b}"'),
    ('get: "/v1/{a=**}"', 'get: "/v1/**"'),
    ('get: "/v1/{a}:read"', 'get: "/v1/{b}:read"'),
    ('get: "/v1/{a}:all:read"', 'get: "/v1/{b}:all:read"'),
    ('get: "/v1/x"', 'get: "/v1/y" additional_bindings { get: "/v1/x" }'),
    ('get: "/v1/x" additional_bindings { get: "/v1/x" }', 'get: "/v1/z"'),
    ('custom { kind: "*" path: "/v1/x" }', 'custom { kind: "*" path: "/v1/x" }'),
    ('custom { kind: "GET" path: "/v1/x" }', 'get: "/v1/x"'),
    ('get: "/v1/%78"', 'get: "/v1/x"'),
]


@behaviour(4)
@pytest.mark.parametrize("pair", SAME, ids=" and ".join)
def test_routes_that_answer_the_same_requests_do_not_start_and_both_are_named(pair, behaviour):
    with pytest.raises(PolicyError) as caught:
        routes(*pair)

    assert "answer the same requests" in str(caught.value)
    assert "M0" in str(caught.value)


APART = [
    ('get: "/v1/x"', 'post: "/v1/x"'),
    ('get: "/v1/{a}"', 'get: "/v1/x"'),
    ('get: "/v1/{a}"', 'get: "/v1/{a}:read"'),
    ('get: "/v1/{a}:read"', 'get: "/v1/{a}:all:read"'),
    ('get: "/v1/{a=**}"', 'get: "/v1/{a}"'),
    ('get: "/v1/x"', 'custom { kind: "*" path: "/v1/x" }'),
    ('get: "/v1/x"', 'get: "/v1/X"'),
]


@behaviour(4)
@pytest.mark.parametrize("pair", APART, ids=" and ".join)
def test_routes_that_are_apart_do_start(pair, behaviour):
    assert routes(*pair)


ORDER = ('get: "/{a=**}"', 'get: "/v1/{a}"', 'get: "/v1/x"', 'get: "/v1/{a}/{b}"', 'get: "/v1/x/{b=**}"')
PATHS = ("/v1/x", "/v1/y", "/v1/x/y", "/v1/y/x", "/v1/x/y/z", "/v1", "/", "/v2/x")


@behaviour(3)
def test_the_order_of_the_contract_decides_nothing(behaviour):
    answers = set()
    for rules in permutations(ORDER):
        made = routes(*rules)
        found = [made.match("GET", path) for path in PATHS]
        assert all(isinstance(match, Match) for match in found)
        answers.add(tuple((match.route.template.text, match.values) for match in found))

    assert len(answers) == 1


BAD_RULES = [
    'additional_bindings { get: "/v1/x" }',
    'get: "/v1/x" additional_bindings { get: "/v1/y" additional_bindings { get: "/v1/z" } }',
    'get: "/v1/x" body: "*"',
    'get: "/v1/{nothing}"',
    'get: "/v1/{inner}"',
    'get: "/v1/{inner.nothing}"',
    'post: "/v1/x" body: "nothing"',
    'post: "/v1/x" body: "inner.x"',
    'post: "/v1/{a}" body: "a"',
    'post: "/v1/x" body: "*" response_body: "nothing"',
    'custom { kind: "" path: "/v1/x" }',
    'custom { kind: "a b" path: "/v1/x" }',
    'custom { kind: "TRACE" path: "/v1/x" }',
    'custom { kind: "CONNECT" path: "/v1/x" }',
]


@behaviour(11)
@pytest.mark.parametrize("rule", BAD_RULES)
def test_a_rule_that_does_not_fit_its_method_does_not_start(rule, behaviour):
    with pytest.raises(PolicyError) as caught:
        routes(rule)

    assert "M0" in str(caught.value)
