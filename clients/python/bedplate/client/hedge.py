"""When a call asks a second server, and what each answer means for the other attempts.

The rules are those of gRPC's own hedging (gRFC A6), which gRPC core does not
have, with two more: an attempt that is sent while others run costs a token of
the budget, also where none of them fails, and a server that refuses one attempt
for lack of room or time does not end the others. There is no clock and no
network in here: times come in, decisions go out, and `race` acts on them.
"""

import math
from dataclasses import dataclass

from bedplate.contract.policy import RETRY_TOKEN_RATIO, RETRY_TOKENS
from bedplate.contract.promises import Hedge

# How often it is looked whether anybody can be asked, at most. Seconds.
POSTPONED_S = 0.01

# A wait after which nothing comes: the server asked not to be asked again.
NEVER_S = math.inf


class Budget:
    """How many attempts a channel may add: a bucket of tokens, shared by all its hedged calls.

    Each attempt that fails, or that is sent while another one runs, takes one;
    each call that succeeds gives a part of one back. While half of them are gone
    no call is hedged. So of calls to a server that is slow, and fails none, no
    more than that part is asked twice.
    """

    __slots__ = ("_ratio", "_size", "tokens")

    def __init__(self, size: float = RETRY_TOKENS, ratio: float = RETRY_TOKEN_RATIO) -> None:
        """Make a full bucket.

        Args:
            size: Tokens in it, 1 to 1000.
            ratio: Tokens that one success gives back, above 0 and at most 1.
        """
        self._size = self.tokens = float(size)
        self._ratio = ratio

    def tighten(self, size: float, ratio: float) -> None:
        """Let the smaller of what holds and what is given hold."""
        self._size = min(self._size, size)
        self._ratio = min(self._ratio, ratio)
        self.tokens = min(self.tokens, self._size)

    def allows(self) -> bool:
        """Whether another attempt may be sent."""
        return self.tokens > self._size / 2

    def take(self) -> None:
        """An attempt failed, or was sent beside another."""
        self.tokens = max(0.0, self.tokens - 1.0)

    def give(self, tokens: float | None = None) -> None:
        """A call succeeded; or so many tokens were not used."""
        self.tokens = min(self._size, self.tokens + (self._ratio if tokens is None else tokens))


@dataclass(frozen=True, slots=True)
class Setback:
    """An answer that is not good, as far as it matters to the other attempts.

    Attributes:
        fatal: It is the answer to the call, whatever the others would say.
        wait_s: When the next attempt may go, seconds from now; NEVER_S: none may.
        begun: Whether a server worked on the attempt; what was not begun costs no token.
        unwanted: Whether it says nothing of the call: the answer of an attempt before is told.
    """

    fatal: bool = False
    wait_s: float = 0.0
    begun: bool = True
    unwanted: bool = False


class Race:
    """The attempts of one call. The first one is sent when the race is made.

    Attributes:
        sent: Attempts that were sent, the first one included.
        running: Attempts that were sent and are not answered.
    """

    __slots__ = ("_at", "_budget", "_closed", "_ends_at", "_hedge", "_paid", "running", "sent")

    def __init__(self, hedge: Hedge, budget: Budget, *, now: float, ends_at: float) -> None:
        """Begin.

        Args:
            hedge: The method's promise.
            budget: Of the channel.
            now: The time, seconds on any clock.
            ends_at: From when on there is no time for another attempt, the same clock.
        """
        self._hedge = hedge
        self._budget = budget
        self._ends_at = ends_at
        self._at = now + hedge.delay_s
        self._closed = False
        self._paid: set[int] = set()
        self.sent = self.running = 1

    @property
    def next_at(self) -> float | None:
        """When the next attempt is to be sent; None: none is to be, as things are."""
        return None if self._closed or self._at >= self._ends_at else self._at

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing will be sent: the last answer is the call's."""
        return not self.running and self.next_at is None

    def send(self, now: float) -> bool:
        """Whether the next attempt is sent now. Where it is not, no further one will be."""
        if self._closed or not self._budget.allows():
            self._closed = True
            return False
        if self.running:
            self._budget.take()
            self._paid.add(self.sent)
        self.sent += 1
        self.running += 1
        self._at = now + self._hedge.delay_s
        self._closed = self.sent >= self._hedge.max_attempts
        return True

    def postpone(self, now: float) -> None:
        """Send none before the delay is over once more, since nobody can be asked yet."""
        self._at = now + max(self._hedge.delay_s, POSTPONED_S)

    def stop(self) -> None:
        """Send no more; those that run may still answer."""
        self._closed = True

    def succeeded(self) -> None:
        """An attempt got its answer; the others are to be cancelled."""
        self._closed = True
        self.running = 0
        self._budget.give()

    def failed(self, attempt: int, setback: Setback, now: float) -> bool:
        """An attempt was answered otherwise, or never will be.

        Args:
            attempt: Which one; the first is 0.
            setback: What it was answered.
            now: The time.

        Returns:
            Whether that is the answer to the call.
        """
        self.running -= 1
        if setback.begun and not setback.fatal and attempt not in self._paid:
            self._budget.take()
        elif not setback.begun and attempt in self._paid:
            self._budget.give(1.0)
        if setback.fatal or setback.wait_s == NEVER_S:
            self._closed = True
        else:
            self._at = now + setback.wait_s
        return setback.fatal or self.over
