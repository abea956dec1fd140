"""One attempt at a call that has one effect: its outcome is written with what it changes.

An attempt stands between the handler and the database. It claims the call at
the beginning of each transaction of the handler and writes the outcome at its
end, so that both are there or neither is, whenever the process dies.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message

from bedplate.clock import Clock
from bedplate.errors import Kind, Refusal
from bedplate.records import outcome
from bedplate.records.outcome import Key, Outcome, State

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

# An attempt ends at its deadline. Clocks of two servers may differ by this much,
# seconds, before one goes on with what the other has begun a moment too early;
# the later one of them is then refused.
SKEW_S = 1.0
# Of an attempt that has no deadline.
LEASE_MAX_S = 60.0

# Refusals that say what is so: a repeat is refused again. All others (of what
# is busy, late or away, and of who calls, which is looked at each time) leave
# the call to be tried again.
KEPT = frozenset({Kind.INVALID, Kind.RANGE, Kind.NOT_FOUND, Kind.EXISTS, Kind.STATE})


class Step(Generic[T]):
    """What a unit of work returns whose call needs more transactions before it has an answer.

    What it wrote is committed, and the call stays begun: a repeat runs the
    handler again, from the start, so the work of a step must find what it did
    before.

    Attributes:
        value: What the handler goes on with.
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class Repeated(Exception):  # noqa: N818 - it has an answer
    """The call has an outcome already: nothing that this attempt did is committed.

    A handler lets it rise.

    Attributes:
        outcome: The outcome, of a call that may have asked something else.
    """

    def __init__(self, found: Outcome) -> None:
        super().__init__("the call has an outcome already")
        self.outcome = found


class Attempt:
    """One attempt; what `bedplate.contract.scope` calls the outcome of a call.

    Attributes:
        key: Whose outcome it is, and of what.
        asked: What is asked; see `asked.asked`.
        found: Somebody else's outcome, which stands for that of this attempt.
        answer: Bytes of the response, once it is committed.
        begun: A step is committed.
    """

    __slots__ = (
        "_clock",
        "_deadline",
        "_keep_us",
        "_owner",
        "_response_class",
        "_response_max",
        "answer",
        "asked",
        "begun",
        "found",
        "key",
    )

    def __init__(
        self,
        key: Key,
        asked: bytes,
        *,
        response_class: type[Message],
        response_max: int,
        keep_us: int,
        deadline: float,
        clock: Clock,
    ) -> None:
        """Begin an attempt.

        Args:
            key: Whose outcome it is, and of what.
            asked: What is asked.
            response_class: What the handler answers with.
            response_max: Bytes that a response may have.
            keep_us: How long the outcome is kept, microseconds.
            deadline: When the attempt ends, `time.monotonic` seconds.
            clock: Tells the time.
        """
        self.key = key
        self.asked = asked
        self.found: Outcome | None = None
        self.answer: bytes | None = None
        self.begun = False
        self._owner = secrets.token_hex(8)
        self._response_class = response_class
        self._response_max = response_max
        self._keep_us = keep_us
        self._deadline = deadline
        self._clock = clock

    async def transact(self, work: Work[T], run: Callable[[Work[T]], Awaitable[T]]) -> T:
        """Run a unit of work of the handler, which returns the response or a `Step`.

        Args:
            work: The unit of work.
            run: Runs it in a transaction.

        Raises:
            Repeated: The call has an outcome already.
            Refusal: IDEMPOTENCY_IN_PROGRESS: another attempt has the call; or as `run` says.
            TypeError: The work returns something else; nothing is committed.
        """
        if self.answer is not None:
            raise TypeError(f"{self.key.method} has its outcome: it can change nothing after it")
        now_us, lease_us = self._times()  # not in the work, which may run several times

        def unit(connection: sa.Connection) -> T:
            seen = self._claim(connection, now_us)
            result = work(connection)
            if isinstance(result, Step):
                self._save(connection, State.BEGUN, b"", seen, now_us, lease_us)
            else:
                self._save(connection, State.ANSWERED, self._checked(result), seen, now_us)
            return result

        try:
            result = await run(unit)
        except Repeated as repeated:
            self.found = repeated.outcome
            raise
        if isinstance(result, Step):
            self.begun = True
        else:
            self.answer = self._to_bytes(result)
        return result

    def keep_refusal(self, refusal: Refusal) -> Work[None]:
        """A unit of work that keeps a refusal as the outcome; raises `Repeated` when there is one."""
        now_us, answer = self._clock(), outcome.refusal_to_bytes(refusal)

        def unit(connection: sa.Connection) -> None:
            seen = self._claim(connection, now_us)
            self._save(connection, State.REFUSED, answer, seen, now_us)

        return unit

    def let_go(self, connection: sa.Connection) -> None:
        """A unit of work after which others may go on with what this attempt has begun."""
        outcome.release(connection, self.key, self._owner)

    def check_answer(self, response: Message) -> None:
        """Raise TypeError when a handler answers something else than it has kept for repeats."""
        if self._to_bytes(response) != self.answer:
            raise TypeError(
                f"{self.key.method} must answer what its unit of work returned, since repeats get that; "
                "complete the response in the unit of work"
            )

    def _claim(self, connection: sa.Connection, now_us: int) -> str:
        """Have the call until the transaction ends; the owner that is seen, empty for none."""
        if not outcome.lock(connection, self.key):
            raise outcome.in_progress()
        found = outcome.find(connection, self.key, now_us)
        if found is None:
            if self.begun:
                raise outcome.in_progress()  # it took so long that its step is not even kept
            return ""
        if found.state is not State.BEGUN or found.asked != self.asked:
            raise Repeated(found)
        if found.owner != self._owner and (self.begun or found.lease_us > now_us):
            raise outcome.in_progress((found.lease_us - now_us) / 1e6)
        return found.owner

    def _times(self) -> tuple[int, int]:
        """The time, and until when this attempt may go on."""
        left_s = min(max(self._deadline - time.monotonic(), 0.0), LEASE_MAX_S)
        now_us = self._clock()
        return now_us, now_us + int((left_s + SKEW_S) * 1e6)

    def _save(
        self,
        connection: sa.Connection,
        state: State,
        answer: bytes,
        seen: str,
        now_us: int,
        lease_us: int = 0,
    ) -> None:
        expire_us = max(now_us + self._keep_us, lease_us)
        made = Outcome(state, self._owner, lease_us, self.asked, answer, expire_us)
        if not outcome.save(connection, self.key, made, seen=seen, now_us=now_us):
            found = outcome.find(connection, self.key, now_us)
            if found is None or found.state is State.BEGUN:
                raise outcome.in_progress()
            raise Repeated(found)

    def _checked(self, result: object) -> bytes:
        """Bytes of the response that a unit of work returned."""
        if type(result) is not self._response_class:
            raise TypeError(
                f"{self.key.method} promises one effect for each request_id, so its unit of work must return "
                f"its {self._response_class.__name__}, which is kept with what it wrote; or "
                f"Step(value), when more transactions follow. It returned {type(result).__name__}."
            )
        answer = self._to_bytes(result)
        if len(answer) > self._response_max:
            raise Refusal(
                Kind.EXHAUSTED,
                "MESSAGE_TOO_LARGE",
                f"The response would have {len(answer)} bytes and may have {self._response_max}; "
                "nothing was done. Ask for less in one call.",
                limit_bytes=self._response_max,
            )
        return answer

    @staticmethod
    def _to_bytes(response: Any) -> bytes:
        answer: bytes = response.SerializeToString(deterministic=True)
        return answer
