"""Cache: an answer that was given before, to whom the contract says it belongs.

It stands after everything that decides whether the caller may have an answer,
so each call is authorised anew, whoever's answer it gets.
"""

import functools
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.cache import Answers, Entry, Key
from bedplate.cache.entry import digest, refusal_of
from bedplate.cache.metrics import Counts
from bedplate.contract.policy import MethodPolicy
from bedplate.contract.promises import Cache, CacheScope
from bedplate.contract.scope import CURRENT
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Proceed, Stage

# Refusals of the caller and not of what it asked for: another caller's own
# request must be asked for itself.
_PERSONAL = frozenset({Kind.FORBIDDEN, Kind.UNKNOWN_CALLER})


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Answer from the cache; None for a method whose answers the server does not keep."""
    cache = policy.cache
    if cache is None or not (cache.ttl_s or cache.negative_s):
        return None
    streams = policy.descriptor.client_streaming or policy.descriptor.server_streaming
    if streams and policy.sources.get("cache") == "service":
        return None  # the service's default is for its unary methods
    return Stage("cache", around=_Cached(policy, cache, parts.answers).respond)


class _Cached:
    """Answers the calls of one method."""

    __slots__ = ("_answers", "_bytes_max", "_cache", "_class", "_counts", "_limit_s", "_method", "_personal")

    def __init__(self, policy: MethodPolicy, cache: Cache, answers: Answers) -> None:
        auth = policy.auth
        self._method = policy.method
        self._cache = cache
        self._answers = answers
        # Where the right to an answer is the caller's own, so is the answer.
        own = auth is not None and (auth.relation is not None or auth.step_up is not None)
        self._personal = own or cache.scope is CacheScope.PRINCIPAL
        self._counts: Counts = answers.metrics.counts(policy.method)
        self._class: Any = GetMessageClass(policy.descriptor.output_type)
        self._limit_s = policy.deadline_max_s
        self._bytes_max = policy.response_bytes

    async def respond(self, call: Call, request: Message, proceed: Proceed) -> Message:
        """The kept answer, or the handler's."""
        principal = call.principal
        key = Key(self._method, principal.tenant, digest(request), principal.id if self._personal else "")
        entry = self._answers.find(key)
        if entry is None:
            return await self._load(key, call, request, proceed)
        now = self._answers.clock()
        if entry.fresh_until > now:
            if entry.found:
                self._counts.hit += 1
            else:
                self._counts.negative += 1
        else:
            self._counts.stale += 1
            work = functools.partial(self._work, call, request, proceed)
            self._answers.refresh(key, entry, work, limit_s=self._limit_s)
        _mark(call, entry, now)
        return self._answer(call, entry)

    async def _load(self, key: Key, call: Call, request: Message, proceed: Proceed) -> Message:
        work = functools.partial(self._work, call, request, proceed)
        outcome, own = await self._answers.load(key, work, limit_s=self._limit_s)
        if own:
            self._counts.miss += 1
        else:
            self._counts.joined += 1
        if call.door == "http":
            said = "bedplate; fwd=uri-miss" if own else "bedplate; fwd=uri-miss; collapsed"
            call.response_headers.append(("cache-status", said))
        if outcome.entry is not None:
            return self._answer(call, outcome.entry)
        error = outcome.error
        assert error is not None, "work ends with an entry or an error"
        if not own and isinstance(error, Refusal) and error.kind in _PERSONAL:
            return await proceed(call, request)
        raise error.with_traceback(outcome.traceback)

    async def _work(self, call: Call, request: Message, proceed: Proceed) -> Entry:
        """Ask the handler, in the name of the caller that came first and in nobody's time."""
        own = call.detached(self._limit_s)
        CURRENT.set(own)
        cache = self._cache
        try:
            response = await proceed(own, request)
        except Refusal as refusal:
            if refusal.kind is not Kind.NOT_FOUND or not cache.negative_s:
                raise
            return self._answers.missing(refusal, own.response_headers, ttl_s=cache.negative_s)
        if type(response) is not self._class:
            got = type(response).__name__
            raise TypeError(f"{self._method} must answer {self._class.__name__}, its handler answered {got}")
        body = response.SerializeToString()
        fits = len(body) <= self._bytes_max  # what the next stage refuses is not worth keeping
        return self._answers.entry(
            body,
            own.response_headers,
            ttl_s=cache.ttl_s if fits else 0.0,
            stale_s=cache.stale_s if fits else 0.0,
        )

    def _answer(self, call: Call, entry: Entry) -> Message:
        if entry.headers:
            call.response_headers.extend(entry.headers)
        if not entry.found:
            raise refusal_of(entry.body)
        response: Message = self._class.FromString(entry.body)
        return response


def _mark(call: Call, entry: Entry, now: float) -> None:
    """Say over HTTP that the answer was kept, and how old it is (RFC 9111, RFC 9211).

    Not over gRPC, where headers before the answer cost 20 us and nobody reads them.
    """
    if call.door == "http":
        left_s = int(entry.fresh_until - now)
        call.response_headers.append(("age", str(int(now - entry.made))))
        call.response_headers.append(("cache-status", f"bedplate; hit; ttl={left_s}"))
