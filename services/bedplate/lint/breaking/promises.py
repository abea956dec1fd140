"""BB3xx and BB4xx of methods: what was promised before and is not any more."""

from collections.abc import Callable, Iterator

from bedplate.contract.policy import Auth, Idempotency, MethodPolicy, Visibility
from bedplate.contract.promises import CacheScope, Cors, Criticality, Hedge, RateScope
from bedplate.lint.breaking.change import Change, Pair, listed

# From the least that a caller may rely on to the most.
_IDEMPOTENCY = (Idempotency.NONE, Idempotency.REQUEST_ID, Idempotency.NATURAL, Idempotency.READ_ONLY)
_SHARED_BY = (RateScope.PRINCIPAL, RateScope.TENANT, RateScope.ADDRESS)

_Told = Iterator[tuple[str, str, str]]


def changes(pair: Pair) -> Iterator[Change]:
    """All of them; methods whose policy cannot be used are left to `bedplate check`."""
    for before, after in pair.methods:
        old, new = before.policy, after.policy
        if old is None or new is None:
            continue
        for compare in _COMPARED:
            for code, option, sentence in compare(old, new):
                yield Change(code, before.descriptor.full_name, f"{before.name} {sentence}", option)


def _deadline(old: MethodPolicy, new: MethodPolicy) -> _Told:
    if new.deadline_default_s < old.deadline_default_s:
        yield (
            "BB301",
            "deadline",
            f"ends calls that name no deadline after {new.deadline_default_s:g} s, and did after "
            f"{old.deadline_default_s:g} s",
        )
    if new.deadline_max_s < old.deadline_max_s:
        yield (
            "BB302",
            "deadline",
            f"gives a call at most {new.deadline_max_s:g} s, and gave {old.deadline_max_s:g} s",
        )
    if new.deadline_mode.value > old.deadline_mode.value:
        yield (
            "BB303",
            "deadline",
            f"goes from {old.deadline_mode.name} to {new.deadline_mode.name}: calls end that did not; see "
            "first in its metrics how many those are",
        )


def _auth(old: MethodPolicy, new: MethodPolicy) -> _Told:
    one, other = old.auth, new.auth
    if one is None or other is None:
        return
    if one.anonymous and not other.anonymous:
        yield "BB306", "auth", "asks for a credential, and asked for none"
        return
    if added := other.all_scopes - one.all_scopes:
        yield (
            "BB304",
            "auth",
            f"asks for the scope {listed(added)} as well; give it to all callers' keys first",
        )
    if other.any_scopes and (not one.any_scopes or one.any_scopes - other.any_scopes):
        yield "BB305", "auth", f"takes only keys that have one of {listed(other.any_scopes)}"
    yield from _proof(one, other)


def _proof(old: Auth, new: Auth) -> _Told:
    if new.audiences and (not old.audiences or old.audiences - new.audiences):
        yield "BB307", "auth", f"takes only credentials for {listed(new.audiences)}"
    if new.step_up is not None:
        before = old.step_up
        ages = [step.max_age_s or float("inf") for step in (before, new.step_up) if step is not None]
        if before is None or new.step_up.level > before.level or ages[-1] < ages[0]:
            yield "BB308", "auth", "asks for a stronger or fresher proof of who calls"
    if new.relation is not None and new.relation != old.relation:
        yield (
            "BB309",
            "auth",
            f"asks for the relation {new.relation.relation} to the {new.relation.object_type}; give it to "
            "those who call first",
        )


def _repeats(old: MethodPolicy, new: MethodPolicy) -> _Told:
    if _IDEMPOTENCY.index(new.idempotency) < _IDEMPOTENCY.index(old.idempotency):
        yield (
            "BB311",
            "idempotency",
            f"was {old.idempotency.name} and is {new.idempotency.name}: callers who repeat it have a second "
            "effect",
        )
    # What is hedged is sent again on failures too.
    elif was := old.retry or (None if new.hedge else old.hedge):
        again = new.retry or new.hedge
        lost = frozenset(was.codes) - frozenset(again.codes if again else ())
        attempts = again.max_attempts if again else 1
        if attempts < was.max_attempts or lost:
            codes = f", and not on {listed(lost)}" if lost and again else ""
            yield (
                "BB310",
                "hedge" if new.hedge else "retry",
                f"is tried {attempts} times and was tried {was.max_attempts} times{codes}: callers see "
                "failures that were hidden",
            )
    if old.replay and new.replay and new.replay.keep_s < old.replay.keep_s:
        yield (
            "BB330",
            "replay",
            f"keeps outcomes {new.replay.keep_s:g} s and kept them {old.replay.keep_s:g} s: later repeats "
            "have a second effect",
        )


def _visibility(old: MethodPolicy, new: MethodPolicy) -> _Told:
    if new.visibility.value < old.visibility.value:
        yield (
            "BB312",
            "visibility",
            f"was {old.visibility.name} and is {new.visibility.name}: those outside find it no more",
        )


def _load(old: MethodPolicy, new: MethodPolicy) -> _Told:
    one, other = old.rate, new.rate
    if other is not None:
        lower = one is None or (
            other.per_second / other.cost < one.per_second / one.cost
            or other.burst / other.cost < one.burst / one.cost
            or _SHARED_BY.index(other.per) > _SHARED_BY.index(one.per)
        )
        if lower:
            yield "BB313", "rate", "may be called less often than before"
    before, after = old.concurrency, new.concurrency
    if after is not None and (before is None or after.limit < before.limit or after.queue < before.queue):
        yield "BB314", "concurrency", "runs or queues fewer calls at once than before"
    for name, was, now in (
        ("request", old.request_bytes, new.request_bytes),
        ("response", old.response_bytes, new.response_bytes),
    ):
        if now < was:
            yield "BB315", "limits", f"takes {name}s of {now} bytes at most, and took {was}"
    if new.criticality.value > old.criticality.value:
        yield (
            "BB323",
            "criticality",
            f"was {Criticality(old.criticality).name} and is {Criticality(new.criticality).name}: it is "
            "refused earlier under load",
        )


def _rollout(old: MethodPolicy, new: MethodPolicy) -> _Told:
    if new.rollout_percent < old.rollout_percent:
        yield (
            "BB333",
            "rollout",
            f"answers {new.rollout_percent:g} % of its callers, and answered {old.rollout_percent:g} %",
        )


def _cache(old: MethodPolicy, new: MethodPolicy) -> _Told:
    one, other = old.cache, new.cache
    if one and other and one.scope is not other.scope:
        yield (
            "BB316",
            "cache",
            f"was answered from a cache of {CacheScope(one.scope).name} and is from one of "
            f"{CacheScope(other.scope).name}: make sure that everyone it is shared by may see it",
        )
    was_s = one.ttl_s + one.stale_s if one else 0.0
    now_s = other.ttl_s + other.stale_s if other else 0.0
    if now_s > was_s:
        yield "BB404", "cache", f"may answer what was true {now_s:g} s ago, and before {was_s:g} s"
    elif now_s < was_s:
        yield "BB402", "cache", f"is cached {now_s:g} s and was {was_s:g} s: the service gets more calls"


def _http(old: MethodPolicy, new: MethodPolicy) -> _Told:
    was, now = old.http, new.http
    if old.visibility is Visibility.INTERNAL:
        return
    if was.lenient and not now.lenient:
        yield (
            "BB334",
            "http",
            "was LENIENT and is STRICT: requests are refused that were taken; see first in its metrics how "
            "many those are",
        )
    changed = {
        name
        for name in ("unset_fields", "enum_numbers", "proto_names")
        if getattr(was, name) != getattr(now, name)
    }
    if changed:
        yield "BB335", "http", f"writes its answers otherwise than before: {listed(changed)} changed"
    if was.created != now.created:
        before, after = (f"201 and {path}" if path else "200" for path in (was.created, now.created))
        yield "BB336", "http", f"answers {after} to what it made, and answered {before}"
    yield from _origins(was.cors, now.cors)


def _origins(old: Cors | None, new: Cors | None) -> _Told:
    if old is None:
        return
    lost = old.origins - new.origins if new else old.origins
    if lost and not (new and "*" in new.origins and not old.credentials):
        yield "BB337", "http", f"may not be called any more by pages of {listed(lost)}"
    elif old.credentials and not (new and new.credentials):
        yield "BB337", "http", "is called by pages without their users' cookies"


def _goals(old: MethodPolicy, new: MethodPolicy) -> _Told:
    one, other = old.slo, new.slo
    if one is not None:
        slower = other is None or (one.p99_s and (not other.p99_s or other.p99_s > one.p99_s))
        weaker = other is None or other.availability < one.availability
        if slower or weaker:
            yield "BB403", "slo", "is meant to be slower or less available than before"
    if old.hedge and (new.hedge is None or _less_hedged(old.hedge, new.hedge)):
        yield (
            "BB405",
            "hedge",
            "is hedged less, later or on fewer codes than before: its slowest answers become slower",
        )


def _less_hedged(old: Hedge, new: Hedge) -> bool:
    lost = frozenset(old.codes) - frozenset(new.codes)
    return bool(lost) or new.max_attempts < old.max_attempts or new.delay_s > old.delay_s


def _end(old: MethodPolicy, new: MethodPolicy) -> _Told:
    if new.deprecation is None:
        return
    before = old.deprecation.sunset if old.deprecation else None
    after = new.deprecation.sunset
    if after is not None and (before is None or after < before):
        was = f", and was to until {before}" if before else ""
        yield "BB318", "deprecation", f"answers until {after} only{was}; tell its callers"
    elif old.deprecation is None:
        yield "BB401", "deprecation", f"is deprecated since {new.deprecation.since}; tell its callers"


_COMPARED: tuple[Callable[[MethodPolicy, MethodPolicy], _Told], ...] = (
    _deadline,
    _auth,
    _repeats,
    _visibility,
    _load,
    _rollout,
    _cache,
    _http,
    _goals,
    _end,
)
