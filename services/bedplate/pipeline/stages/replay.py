"""Replay: one effect for each `request_id`; a repeat gets the first answer.

What was done and what was answered are written in one transaction, so there is
no moment at which a dying process leaves one without the other. See
docs/decisions/0006-idempotency.md.
"""

import contextlib
import re

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Proceed, Stage
from bedplate.policy.replayed import REQUEST_ID, check_replay
from bedplate.records import outcome
from bedplate.records.asked import asked, difference
from bedplate.records.attempt import KEPT, Attempt, Repeated
from bedplate.records.outcome import Key, Outcome, State
from bedplate.records.outcomes import Outcomes

REQUEST_ID_CHARS_MAX = 255
REPLAYED = ("idempotent-replayed", "true")

# What a header can hold too, where HTTP callers send their key.
_REQUEST_ID = re.compile(rf"[\x21-\x7e]{{1,{REQUEST_ID_CHARS_MAX}}}")


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Give each call one effect for its `request_id`; None where the method does not promise it."""
    if policy.replay is None:
        return None
    check_replay(policy)
    if parts.outcomes is None:
        raise PolicyError(f"{policy.method}: IDEMPOTENCY_REQUEST_ID needs a database, and there is none.")
    replay = _Replay(policy, parts.outcomes)
    return Stage("replay", message=_check_id, around=replay.around)


def _check_id(call: Call, request: Message) -> Message:
    request_id: str = getattr(request, REQUEST_ID)
    if _REQUEST_ID.fullmatch(request_id) is None:
        if request_id:
            sentence = f"Send 1 to {REQUEST_ID_CHARS_MAX} visible ASCII characters, such as a UUID."
        else:
            sentence = (
                "This field is required; set a fresh id, such as a UUID, and repeat it when you try again."
            )
        raise Refusal(
            Kind.INVALID,
            "INVALID_REQUEST",
            f"{REQUEST_ID}: {sentence}",
            violations=[Violation(REQUEST_ID, sentence, "required" if not request_id else "request_id")],
        )
    return request


class _Replay:
    """The stage of one method."""

    def __init__(self, policy: MethodPolicy, outcomes: Outcomes) -> None:
        assert policy.replay is not None
        self._method = policy.method
        self._outcomes = outcomes
        self._request = policy.descriptor.input_type
        self._response_class = GetMessageClass(policy.descriptor.output_type)
        self._response_max = policy.response_bytes
        self._keep_us = int(policy.replay.keep_s * 1e6)
        names = (REQUEST_ID, *policy.replay.ignored_fields)
        self._without = frozenset(self._request.fields_by_name[name].number for name in names)
        counters = [outcomes.repeats.labels(policy.method, how) for how in ("replayed", "busy", "reused")]
        self._replayed, self._busy, self._reused = counters

    async def around(self, call: Call, request: Message, proceed: Proceed) -> Message:
        """Answer with the outcome that there is, or make one."""
        outcomes, principal = self._outcomes, call.principal
        key = Key(principal.tenant, principal.id, self._method, getattr(request, REQUEST_ID))
        this = asked(request, without=self._without, salt=key.digest())
        self._refuse_running(key, this)
        found = await outcomes.find(key)
        if found is not None and (
            found.state is not State.BEGUN or found.asked != this or found.lease_us > outcomes.clock()
        ):
            return self._answer(call, found, this)
        self._refuse_running(key, this)  # it may have come while this one looked
        attempt = call.outcome = Attempt(
            key,
            this,
            response_class=self._response_class,
            response_max=self._response_max,
            keep_us=self._keep_us,
            deadline=call.deadline,
            clock=outcomes.clock,
        )
        outcomes.running[key] = this
        try:
            return await self._run(call, request, proceed, attempt)
        finally:
            del outcomes.running[key]
            call.outcome = None

    async def _run(self, call: Call, request: Message, proceed: Proceed, attempt: Attempt) -> Message:
        try:
            response = await proceed(call, request)
            if attempt.found is None:
                await self._complete(response, attempt)
                return response
        except Repeated:
            pass
        except Refusal as refusal:
            await self._refused(call, refusal, attempt)
        except Exception:
            await self._let_go(call, attempt)
            raise
        assert attempt.found is not None
        return self._answer(call, attempt.found, attempt.asked)

    async def _complete(self, response: Message, attempt: Attempt) -> None:
        """Keep the response of a handler that did not, because it changed nothing at the end."""
        if attempt.answer is None:
            await self._outcomes.transact(lambda _: response)
        else:
            attempt.check_answer(response)

    async def _refused(self, call: Call, refusal: Refusal, attempt: Attempt) -> None:
        """Keep a refusal, and raise it; returns when there is an outcome already."""
        if attempt.found is not None:
            return
        if attempt.answer is not None:
            raise TypeError(f"{self._method} refused what it had committed") from refusal
        if refusal.kind not in KEPT:
            await self._let_go(call, attempt)
            if refusal.reason == "IDEMPOTENCY_IN_PROGRESS":
                self._busy.inc()
            raise refusal
        try:
            await self._outcomes.transact_apart(attempt.keep_refusal(refusal), deadline=call.deadline)
        except Repeated as repeated:
            attempt.found = repeated.outcome
            return
        raise refusal

    async def _let_go(self, call: Call, attempt: Attempt) -> None:
        """Spare those who repeat the call the wait for a lease; without it they wait."""
        if attempt.begun and attempt.answer is None:
            with contextlib.suppress(Refusal):
                await self._outcomes.transact_apart(attempt.let_go, deadline=call.deadline)

    def _refuse_running(self, key: Key, this: bytes) -> None:
        running = self._outcomes.running.get(key)
        if running is not None:
            self._check_same(running, this)
            self._busy.inc()
            raise outcome.in_progress()

    def _check_same(self, first: bytes, this: bytes) -> None:
        field = difference(first, this, self._request)
        if field:
            self._reused.inc()
            raise outcome.reused(field)

    def _answer(self, call: Call, found: Outcome, this: bytes) -> Message:
        """The answer of an outcome; raises the refusal that it is."""
        self._check_same(found.asked, this)
        if found.state is State.BEGUN:
            self._busy.inc()
            raise outcome.in_progress((found.lease_us - self._outcomes.clock()) / 1e6)
        self._replayed.inc()
        call.response_headers.append(REPLAYED)
        if found.state is State.REFUSED:
            raise outcome.refusal_from_bytes(found.answer)
        response: Message = self._response_class.FromString(found.answer)
        return response
