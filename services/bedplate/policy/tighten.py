"""What it means to tighten each option: less time, fewer callers, more proof, smaller, less often."""

from collections.abc import Callable, Iterator
from typing import Any

from bedplate.contract.policy import Auth, MethodPolicy, Visibility
from bedplate.contract.promises import CacheScope, Cors
from bedplate.v1 import policy_pb2

# An option's path, what forbids the new value, and why it is looser.
Loosened = tuple[str, str, str]

# Options that only the contract can say: callers were generated from it.
_CONTRACT_ONLY = {
    "idempotency": "what may be repeated is part of what callers were built on",
    "retry": "callers keep it, by the contract that they have",
    "slo": "it is a promise and limits nothing",
    "calls": "it describes the code",
}
# What a deployment may do with a value, by option or the group before it.
_TIGHTENS = {
    "deadline.mode": "move it towards ENFORCE",
    "deadline": "shorten it",
    "auth.all_scopes": "add scopes",
    "auth.any_scopes": "take scopes away",
    "auth.audiences": "take audiences away",
    "auth.anonymous": "ask for scopes",
    "auth.step_up": "ask for more",
    "auth.relation": "ask for one",
    "auth": "ask for more",
    "hedge.max_attempts": "lower it; 1 switches hedging off",
    "rate": "let callers call less often",
    "concurrency": "lower it",
    "criticality": "lower it",
    "cache": "shorten it",
    "limits": "lower it",
    "visibility": "narrow it (at start only)",
    "audit": "switch it on",
    "deprecation": "bring it forward",
    "replay": "keep for longer",
    "rollout": "lower it",
    "http.json": "make it STRICT (at start only)",
    "http.cors": "take origins away (at start only)",
}
# Options whose effect is made once, at start.
STATIC = frozenset({"visibility", "http"})

_VISIBLE = [Visibility.INTERNAL, Visibility.PARTNER, Visibility.PUBLIC]
_SCOPES = [CacheScope.PRINCIPAL, CacheScope.TENANT, CacheScope.PUBLIC]


def change(option: str) -> str:
    """What would change an option's value, for people."""
    group = option.partition(".")[0]
    if group in _CONTRACT_ONLY:
        return "the contract only"
    above = option
    while above and above not in _TIGHTENS:
        above = above.rpartition(".")[0]
    if not above:
        return "the contract only"
    return f"policy file or override: {_TIGHTENS[above]}; contract: anything"


def contract_only(given: policy_pb2.MethodPolicy, below: MethodPolicy) -> Loosened | None:
    """The first option that a layer sets and only the contract can.

    Args:
        given: What the layer sets.
        below: The policy without the layer.
    """
    if given.HasField("hedge"):
        if below.hedge is None:
            return "hedge", "never", "calls would be sent several times"
        for part in ("delay", "codes"):
            if any(field.name == part for field, _ in given.hedge.ListFields()):
                why = f"hedge.{part} can be set in the contract only, because callers keep it"
                return f"hedge.{part}", "the contract's", why
    for field, _ in given.ListFields():
        if field.name in _CONTRACT_ONLY:
            why = f"{field.name} can be set in the contract only, because {_CONTRACT_ONLY[field.name]}"
            return field.name, "the contract's", why
    return None


def loosened(below: MethodPolicy, above: MethodPolicy, given: policy_pb2.MethodPolicy) -> Loosened | None:
    """The first option that is looser above than below; None: what was given tightens, or changes nothing.

    Args:
        below: The policy without the layer.
        above: The policy with it.
        given: What the layer sets.
    """
    for field, _ in given.ListFields():
        for found in _CHECKS[field.name](below, above):
            return found
    return None


def _less(option: str, below: float, above: float, unit: str = "") -> Iterator[Loosened]:
    if above > below:
        yield option, f"{below:g}{unit}", f"{option} would rise from {below:g}{unit} to {above:g}{unit}"


def _more(option: str, below: float, above: float, unit: str = "") -> Iterator[Loosened]:
    if above < below:
        yield option, f"{below:g}{unit}", f"{option} would fall from {below:g}{unit} to {above:g}{unit}"


def _hedge(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.hedge, above.hedge
    if was is not None and now is not None:
        yield from _less("hedge.max_attempts", was.max_attempts, now.max_attempts)


def _deadline(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    yield from _less("deadline.max", below.deadline_max_s, above.deadline_max_s, " s")
    yield from _less("deadline.default", below.deadline_default_s, above.deadline_default_s, " s")
    yield from _ranked("deadline.mode", below.deadline_mode, above.deadline_mode, None)


def _ranked(option: str, below: Any, above: Any, ranks: list[Any] | None) -> Iterator[Loosened]:
    """Ranks from strict to loose; None: the enum's numbers fall with it."""
    rank: Callable[[Any], int] = (lambda one: -one.value) if ranks is None else ranks.index
    if rank(above) > rank(below):
        yield option, below.name, f"{option} would go from {below.name} to {above.name}"


def _auth(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.auth, above.auth
    if was is None or now is None:
        return
    if now.anonymous and not was.anonymous:
        yield "auth.anonymous", "false", "anyone could call"
    yield from _lacks("auth.all_scopes", was.all_scopes, now.all_scopes, "the scope")
    if was.any_scopes and (not now.any_scopes or now.any_scopes - was.any_scopes):
        wanted = ", ".join(sorted(was.any_scopes))
        yield "auth.any_scopes", wanted, "auth.any_scopes may only lose scopes, and keep one"
    if was.audiences and (not now.audiences or now.audiences - was.audiences):
        wanted = ", ".join(sorted(was.audiences))
        yield "auth.audiences", wanted, "auth.audiences may only lose audiences, and keep one"
    yield from _proof(was, now)


def _lacks(option: str, was: frozenset[str], now: frozenset[str], noun: str) -> Iterator[Loosened]:
    if missing := was - now:
        yield (
            option,
            ", ".join(sorted(was)),
            f"{noun} {', '.join(sorted(missing))} would no longer be asked for",
        )


def _proof(was: Auth, now: Auth) -> Iterator[Loosened]:
    if was.step_up is not None and now.step_up is not None:
        yield from _more("auth.step_up.level", was.step_up.level, now.step_up.level)
        if was.step_up.max_age_s:
            new = now.step_up.max_age_s or float("inf")
            yield from _less("auth.step_up.max_age", was.step_up.max_age_s, new, " s")
    if was.relation is not None and now.relation != was.relation:
        value = f"{was.relation.relation} of {was.relation.object_type}"
        yield "auth.relation", value, "another relation would be asked for"


def _rate(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.rate, above.rate
    if was is None or now is None:
        return
    yield from _less("rate.per_second", was.per_second, now.per_second)
    yield from _less("rate.burst", was.burst, now.burst)
    yield from _more("rate.cost", was.cost, now.cost)
    if now.bucket != was.bucket:
        yield "rate.bucket", was.bucket, "another bucket would be drawn from"
    if now.per is not was.per:
        yield "rate.per", was.per.name, "others would share a bucket"


def _concurrency(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.concurrency, above.concurrency
    if was is None or now is None:
        return
    yield from _less("concurrency.limit", was.limit, now.limit)
    yield from _less("concurrency.queue", was.queue, now.queue)


def _criticality(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    yield from _more("criticality", below.criticality.value, above.criticality.value)


def _cache(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.cache, above.cache
    if now is None:
        return
    if was is None:
        yield "cache", "never", "answers would be reused that must be fresh"
        return
    yield from _ranked("cache.scope", was.scope, now.scope, _SCOPES)
    yield from _less("cache.ttl", was.ttl_s, now.ttl_s, " s")
    yield from _less("cache.stale_while_revalidate", was.stale_s, now.stale_s, " s")
    yield from _less("cache.http_max_age", was.http_max_age_s, now.http_max_age_s, " s")
    yield from _less("cache.negative_ttl", was.negative_s, now.negative_s, " s")


def _limits(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    yield from _less("limits.request_bytes", below.request_bytes, above.request_bytes)
    yield from _less("limits.response_bytes", below.response_bytes, above.response_bytes)


def _visibility(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    yield from _ranked("visibility", below.visibility, above.visibility, _VISIBLE)


def _audit(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    if below.audit and not above.audit:
        yield "audit.enabled", "true", "calls would leave no record"


def _deprecation(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.deprecation, above.deprecation
    if was is None or now is None or was.sunset is None:
        return
    if now.sunset is None or now.sunset > was.sunset:
        yield "deprecation.sunset", str(was.sunset), "the method would answer for longer"


def _replay(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.replay, above.replay
    if was is None or now is None:
        return
    yield from _more("replay.keep", was.keep_s, now.keep_s, " s")
    if set(now.ignored_fields) - set(was.ignored_fields):
        yield "replay.ignored_fields", ", ".join(was.ignored_fields), "more fields would be passed over"


def _rollout(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    yield from _less("rollout.percent", below.rollout_percent, above.rollout_percent, " percent")


def _http(below: MethodPolicy, above: MethodPolicy) -> Iterator[Loosened]:
    was, now = below.http, above.http
    if now.lenient and not was.lenient:
        yield "http.json", "STRICT", "requests that the contract does not describe would be taken"
    old, new = was.cors or Cors(frozenset(), False, 0.0), now.cors or Cors(frozenset(), False, 0.0)
    if "*" not in old.origins and new.origins - old.origins:
        wanted = ", ".join(sorted(old.origins)) or "none"
        yield "http.cors.origins", wanted, "http.cors.origins may only lose origins"
    if new.credentials and not old.credentials:
        yield "http.cors.credentials", "false", "pages could call with a browser's cookies"
    for option in ("unset_fields", "enum_numbers", "proto_names", "created"):
        value = getattr(was, option)
        if getattr(now, option) != value and not (option == "unset_fields" and was.lenient):
            yield f"http.{option}", str(value).lower(), "callers read answers as the contract says"


_CHECKS: dict[str, Callable[[MethodPolicy, MethodPolicy], Iterator[Loosened]]] = {
    "deadline": _deadline,
    "hedge": _hedge,
    "auth": _auth,
    "rate": _rate,
    "concurrency": _concurrency,
    "criticality": _criticality,
    "cache": _cache,
    "limits": _limits,
    "visibility": _visibility,
    "audit": _audit,
    "deprecation": _deprecation,
    "replay": _replay,
    "rollout": _rollout,
    "http": _http,
}
