"""A deployment tightens what the contract promises and never loosens it."""

import pytest

from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.policy.explain import explain
from bedplate.policy.layers import Layer, LooseningError, in_force, parse_options
from bedplate.v1 import policy_pb2
from tests.policy.contracts import method_of

CONTRACT = """
    auth { all_scopes: "x.read" any_scopes: "x.a" any_scopes: "x.b" audiences: "one" audiences: "two"
           step_up { level: 2 max_age { seconds: 60 } }
           relation { field: "text" object_type: "thing" relation: "viewer" } }
    idempotency: IDEMPOTENCY_READ_ONLY
    deadline { default { seconds: 5 } max { seconds: 10 } mode: DEADLINE_MODE_PROPAGATE }
    rate { cost: 2 per_second: 100 burst: 200 }
    concurrency { limit: 8 queue: 4 }
    criticality: CRITICALITY_DEFAULT
    cache { scope: CACHE_SCOPE_PRINCIPAL ttl { seconds: 60 } stale_while_revalidate { seconds: 30 }
            http_max_age { seconds: 20 } negative_ttl { seconds: 10 } }
    limits { request_bytes: 1000 response_bytes: 2000 }
    visibility: VISIBILITY_PARTNER
    audit { enabled: true }
    deprecation { since: "2026-01-01" sunset: "2999-01-01" }
    rollout { percent: 50 }
    hedge { delay { nanos: 100000000 } max_attempts: 3 }
    http { json: JSON_MODE_STRICT created: "/v1/{text}"
           cors { origins: "https://one.example" origins: "https://two.example" } }
"""


@pytest.fixture(scope="module")
def descriptor():
    return method_of(CONTRACT)


def over(descriptor, *given: dict[str, object]) -> MethodPolicy:
    target = descriptor.containing_service.full_name
    layers = [
        Layer(f"layer {number}", target, parse_options(values, where=f"layer {number}"))
        for number, values in enumerate(given, 1)
    ]
    return in_force(descriptor, layers)


TIGHTER = [
    {"deadline": {"max": "9s"}},
    {"deadline": {"default": "1s"}},
    {"deadline": {"max": "2s"}},
    {"deadline": {"mode": "DEADLINE_MODE_ENFORCE"}},
    {"auth": {"allScopes": ["x.read", "x.more"]}},
    {"auth": {"anyScopes": ["x.a"]}},
    {"auth": {"audiences": ["two"]}},
    {"auth": {"stepUp": {"level": 3}}},
    {"auth": {"stepUp": {"maxAge": "30s"}}},
    {"rate": {"perSecond": 50, "burst": 100}},
    {"rate": {"cost": 3}},
    {"concurrency": {"limit": 4, "queue": 1}},
    {"criticality": "CRITICALITY_SHEDDABLE"},
    {"cache": {"scope": "CACHE_SCOPE_PRINCIPAL"}},
    {"hedge": {"maxAttempts": 2}},
    {"hedge": {"maxAttempts": 1}},
    {"cache": {"ttl": "1s"}},
    {"cache": {"staleWhileRevalidate": "1s"}},
    {"cache": {"httpMaxAge": "1s"}},
    {"cache": {"negativeTtl": "1s"}},
    {"limits": {"requestBytes": 10, "responseBytes": 20}},
    {"visibility": "VISIBILITY_INTERNAL"},
    {"deprecation": {"sunset": "2998-12-31"}},
    {"rollout": {"percent": 0}},
    {"audit": {"enabled": True}},
    {"http": {"json": "JSON_MODE_STRICT"}},
    {"http": {"cors": {"origins": ["https://two.example"]}}},
    {"http": {"cors": {"origins": ["https://two.example"], "maxAge": "1s"}}},
]
LOOSER = [
    ({"deadline": {"max": "11s"}}, "deadline.max"),
    ({"deadline": {"default": "6s"}}, "deadline.default"),
    ({"deadline": {"mode": "DEADLINE_MODE_OBSERVE"}}, "deadline.mode"),
    ({"auth": {"allScopes": ["x.more"]}}, "auth.all_scopes"),
    ({"auth": {"anyScopes": ["x.a", "x.c"]}}, "auth.any_scopes"),
    ({"auth": {"audiences": ["three"]}}, "auth.audiences"),
    ({"auth": {"stepUp": {"level": 1}}}, "auth.step_up.level"),
    ({"auth": {"stepUp": {"maxAge": "61s"}}}, "auth.step_up.max_age"),
    ({"auth": {"relation": {"relation": "owner"}}}, "auth.relation"),
    ({"rate": {"perSecond": 101}}, "rate.per_second"),
    ({"rate": {"burst": 201}}, "rate.burst"),
    ({"rate": {"cost": 1}}, "rate.cost"),
    ({"rate": {"bucket": "other"}}, "rate.bucket"),
    ({"rate": {"per": "RATE_SCOPE_TENANT"}}, "rate.per"),
    ({"concurrency": {"limit": 9}}, "concurrency.limit"),
    ({"concurrency": {"queue": 5}}, "concurrency.queue"),
    ({"criticality": "CRITICALITY_CRITICAL"}, "criticality"),
    ({"cache": {"scope": "CACHE_SCOPE_TENANT"}}, "cache.scope"),
    ({"cache": {"ttl": "61s"}}, "cache.ttl"),
    ({"cache": {"staleWhileRevalidate": "31s"}}, "cache.stale_while_revalidate"),
    ({"cache": {"httpMaxAge": "21s"}}, "cache.http_max_age"),
    ({"cache": {"negativeTtl": "11s"}}, "cache.negative_ttl"),
    ({"limits": {"requestBytes": 1001}}, "limits.request_bytes"),
    ({"limits": {"responseBytes": 2001}}, "limits.response_bytes"),
    ({"visibility": "VISIBILITY_PUBLIC"}, "visibility"),
    ({"deprecation": {"sunset": "2999-01-02"}}, "deprecation.sunset"),
    ({"rollout": {"percent": 51}}, "rollout.percent"),
    ({"idempotency": "IDEMPOTENCY_NATURAL"}, "idempotency"),
    ({"retry": {"maxAttempts": 2}}, "retry"),
    ({"hedge": {"maxAttempts": 4}}, "hedge.max_attempts"),
    ({"hedge": {"delay": "1s"}}, "hedge.delay"),
    ({"hedge": {"codes": ["UNAVAILABLE"]}}, "hedge.codes"),
    ({"slo": {"availability": 0.9}}, "slo"),
    ({"calls": [{"method": "a.B/C"}]}, "calls"),
    ({"http": {"json": "JSON_MODE_LENIENT"}}, "http.json"),
    ({"http": {"cors": {"origins": ["https://three.example"]}}}, "http.cors.origins"),
    ({"http": {"cors": {"origins": ["*"]}}}, "http.cors.origins"),
    (
        {"http": {"cors": {"origins": ["https://one.example"], "credentials": True}}},
        "http.cors.credentials",
    ),
    ({"http": {"unsetFields": True}}, "http.unset_fields"),
    ({"http": {"enumNumbers": True}}, "http.enum_numbers"),
    ({"http": {"protoNames": True}}, "http.proto_names"),
    ({"http": {"created": "/v2/{text}"}}, "http.created"),
]


@pytest.mark.parametrize("given", TIGHTER, ids=str)
def test_what_tightens_is_taken(descriptor, given: dict[str, object]):
    assert over(descriptor, given) is not None


@pytest.mark.parametrize(("given", "option"), LOOSER, ids=lambda value: str(value))
def test_what_loosens_is_refused_with_the_line_that_forbids_it(descriptor, given, option):
    with pytest.raises(LooseningError) as refused:
        over(descriptor, given)

    assert refused.value.option == option
    assert str(refused.value).startswith("layer 1 would loosen tests.")
    assert f"What forbids it: {refused.value.line}." in str(refused.value)


def test_a_switched_on_audit_stays_on(descriptor):
    with pytest.raises(PolicyError, match=r"audit\.enabled: False sets nothing"):
        over(descriptor, {"audit": {"enabled": False}})


def test_a_shorter_maximum_brings_the_default_with_it(descriptor):
    policy = over(descriptor, {"deadline": {"max": "2s"}})

    assert (policy.deadline_default_s, policy.deadline_max_s) == (2, 2)


def test_a_later_layer_lies_over_the_earlier_ones_and_cannot_give_back(descriptor):
    policy = over(descriptor, {"rate": {"perSecond": 50}}, {"rate": {"perSecond": 20}})
    assert policy.rate is not None
    assert policy.rate.per_second == 20

    with pytest.raises(LooseningError, match=r"rate\.per_second: 50 \(layer 1\)"):
        over(descriptor, {"rate": {"perSecond": 50}}, {"rate": {"perSecond": 60}})


def test_what_the_contract_leaves_open_can_be_limited_where_that_tightens():
    open_ = method_of('auth { all_scopes: "x.read" } idempotency: IDEMPOTENCY_READ_ONLY')

    assert over(open_, {"concurrency": {"limit": 1}}).concurrency is not None
    assert over(open_, {"rate": {"perSecond": 1}}).rate is not None
    with pytest.raises(LooseningError, match="answers would be reused"):
        over(open_, {"cache": {"scope": "CACHE_SCOPE_TENANT", "ttl": "1s"}})


def test_each_value_tells_its_layer_and_what_would_change_it(descriptor):
    target = f"{descriptor.containing_service.full_name}/{descriptor.name}"
    layer = Layer("override 7", target, parse_options({"deadline": {"max": "9s"}}, where="x"))

    lines = {line.option: line for line in explain(descriptor, [layer])}

    assert (lines["deadline.max"].value, lines["deadline.max"].source) == ("9 s", "override 7")
    assert lines["deadline.default"].source == "method"
    assert lines["deadline.max"].change == "policy file or override: shorten it; contract: anything"
    assert lines["idempotency"].change == "the contract only"
    assert all(line.change for line in lines.values())


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"deadlin": {}}, "deadlin"),
        ({"deadline": {"max": 9}}, "max"),
        ({"rollout": {"percent": "x"}}, "percent"),
        ({"criticality": "HIGH"}, "HIGH"),
        ("fast", "fast"),
    ],
)
def test_what_is_no_option_is_refused_by_name(values, text):
    with pytest.raises(PolicyError, match=text) as refused:
        parse_options(values, where="policy.toml")

    assert str(refused.value).startswith("policy.toml: ")


def test_what_comes_of_a_layer_must_hold_together(descriptor):
    with pytest.raises(PolicyError, match=r"layer 1: .*rollout\.percent must be 0 to 100"):
        over(descriptor, {"rollout": {"percent": -1}})


def test_every_option_is_one_that_a_deployment_may_tighten_or_that_the_contract_keeps():
    given = {option.partition(".")[0] for _, option in LOOSER} | {"audit", "replay"}

    assert given == {field.name for field in policy_pb2.MethodPolicy.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"replay": {"keep": "3599s"}}, "replay.keep"),
        ({"replay": {"ignoredFields": ["text", "more"]}}, "replay.ignored_fields"),
        ({"hedge": {"maxAttempts": 2}}, "hedge"),
    ],
)
def test_outcomes_are_kept_no_shorter_and_what_is_not_hedged_stays_so(values, option):
    method = method_of(
        'auth { all_scopes: "x.write" } idempotency: IDEMPOTENCY_REQUEST_ID '
        'replay { keep { seconds: 3600 } ignored_fields: "text" }'
    )

    assert over(method, {"replay": {"keep": "7200s"}}).replay is not None
    with pytest.raises(LooseningError) as refused:
        over(method, values)
    assert refused.value.option == option


def test_a_hedge_that_was_lowered_rises_no_more_and_zero_attempts_are_none(descriptor):
    assert over(descriptor, {"hedge": {"maxAttempts": 1}}).hedge.max_attempts == 1
    with pytest.raises(LooseningError):
        over(descriptor, {"hedge": {"maxAttempts": 1}}, {"hedge": {"maxAttempts": 2}})
    with pytest.raises(PolicyError, match=r"hedge\.max_attempts: 0 sets nothing"):
        over(descriptor, {"hedge": {"maxAttempts": 0}})
    with pytest.raises(PolicyError, match=r"hedge\.max_attempts must be 1 to 5"):
        over(descriptor, {"hedge": {"maxAttempts": -1}})


def test_fewer_attempts_are_shown_with_where_they_come_from(descriptor):
    target = descriptor.containing_service.full_name
    layer = Layer("override 7", target, parse_options({"hedge": {"maxAttempts": 1}}, where="override 7"))
    found = {line.option: line for line in explain(descriptor, [layer])}

    attempts, delay = found["hedge.max_attempts"], found["hedge.delay"]
    assert (attempts.value, attempts.source, attempts.enforced) == ("1", "override 7", True)
    assert attempts.change.startswith("policy file or override: lower it; 1 switches hedging off")
    assert (delay.source, delay.change) == ("method", "the contract only")
