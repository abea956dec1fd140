"""Token buckets that all processes share, kept in Valkey.

Calls that come while an answer is on its way are asked for together in the next
round: one script, one round trip, the server's own clock. So one connection
does for a process, and a call that is cancelled disturbs no other.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedplate.settings import SettingsError

if TYPE_CHECKING:
    from valkey.asyncio import Valkey

# Asked for in one round, and waiting for the next one; more are not asked at all.
ROUND_MAX = 256
WAITING_MAX = 10_000

# A server that does not answer is asked again after this, twice as long each
# time up to the second; until then nobody waits for it. Seconds.
AGAIN_S = 0.1
AGAIN_MAX_S = 2.0

# A round ends before its calls give up, so that who comes after them need not wait.
ROUND_SHARE = 0.9

PREFIX = "bedplate:rate:"

# A level is `<tokens> <microseconds>`; one that is not there is full. The key
# goes when the bucket is full again. A clock that went back fills nothing.
SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local answers = {}
for i, key in ipairs(KEYS) do
  local cost = tonumber(ARGV[3 * i - 2])
  local per_second = tonumber(ARGV[3 * i - 1])
  local burst = tonumber(ARGV[3 * i])
  local tokens = burst
  local level = redis.call('GET', key)
  if level then
    local kept, at = string.match(level, '^(%S+) (%S+)$')
    local passed = math.max(now - tonumber(at), 0)
    tokens = math.min(burst, tonumber(kept) + passed * per_second / 1000000)
  end
  local left = tokens - cost
  if left >= -1e-9 then tokens = left end
  local full_ms = math.min(math.ceil((burst - tokens) / per_second * 1000) + 1, 1e12)
  redis.call('SET', key, string.format('%.17g %.0f', tokens, now), 'PX', string.format('%.0f', full_ms))
  answers[i] = string.format('%.17g', left)
end
return answers
"""


@dataclass(slots=True)
class _Take:
    """What one call asks for, and where it waits for the answer."""

    key: str
    numbers: tuple[float, float, float]
    answer: "asyncio.Future[float | None]"


class SharedBuckets:
    """Asks one Valkey, and knows when it does not answer.

    Attributes:
        up: Whether its last round was answered.
        failures: Rounds that were not answered so far.
    """

    def __init__(
        self, url: str, *, timeout_s: float, on_change: Callable[[bool], object] = lambda up: None
    ) -> None:
        """Prepare to ask; nothing is connected yet.

        Args:
            url: Where it is, such as `valkey://127.0.0.1:6379/0`.
            timeout_s: How long a call waits for it at most, seconds.
            on_change: Told when it stops answering (False), and when it answers again.

        Raises:
            SettingsError: Its client is not installed, or the URL is none.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._on_change = on_change
        self._client: Valkey | None = None
        self._sha = ""
        self._waiting: list[_Take] = []
        self._wanted: asyncio.Event | None = None
        self._asking: asyncio.Task[None] | None = None
        self._again_at = 0.0
        self._again_s = AGAIN_S
        self.up = True
        self.failures = 0
        self._make = _maker(url)

    def take(
        self, key: str, *, cost: float, per_second: float, burst: float, wait_s: float
    ) -> "asyncio.Future[float | None]":
        """Take tokens of a key's bucket.

        Args:
            key: Who shares the tokens.
            cost: How many to take.
            per_second: Tokens a second that flow back.
            burst: The most that there are.
            wait_s: How long the call can wait for the answer, seconds.

        Returns:
            What comes to be as in `Bucket.take`; None: Valkey did not answer in time.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float | None] = loop.create_future()
        wait_s = min(wait_s, self._timeout_s)
        if wait_s <= 0 or len(self._waiting) >= WAITING_MAX or time.monotonic() < self._again_at:
            answer.set_result(None)
            return answer
        if self._asking is None:
            self._wanted = asyncio.Event()
            self._asking = loop.create_task(self._ask_on(self._wanted))
        assert self._wanted is not None
        self._waiting.append(_Take(PREFIX + key, (cost, per_second, burst), answer))
        self._wanted.set()
        timer = loop.call_later(wait_s, _settle, answer, None)
        answer.add_done_callback(lambda _: timer.cancel())
        return answer

    async def close(self) -> None:
        """Ask no more; who waits is answered None."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking
            self._asking = None
        self._drop_waiting()
        await self._disconnect()

    async def _ask_on(self, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            takes, self._waiting = self._waiting[:ROUND_MAX], self._waiting[ROUND_MAX:]
            if not self._waiting:
                wanted.clear()
            # Who gave up must not be charged.
            takes = [take for take in takes if not take.answer.done()]
            if takes:
                await self._round(takes)

    async def _round(self, takes: list[_Take]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s * ROUND_SHARE):
                answers = await self._ask(takes)
        except (_Unanswered, TimeoutError, OSError, ValueError):
            self._fail(takes)
            await self._disconnect()
        else:
            if not self.up:
                self.up, self._again_s = True, AGAIN_S
                self._on_change(True)
            for take, left in zip(takes, answers, strict=True):
                _settle(take.answer, max(float(left), 0.0) if float(left) >= -1e-9 else float(left))

    async def _ask(self, takes: list[_Take]) -> list[Any]:
        from valkey.exceptions import NoScriptError, ValkeyError

        keys = [take.key for take in takes]
        numbers = [repr(number) for take in takes for number in take.numbers]
        try:
            client = self._client
            if client is None:
                client = self._client = self._make(self._timeout_s)
            if not self._sha:
                self._sha = await client.script_load(SCRIPT)
            # Typed as if it could answer without waiting.
            evalsha: Callable[..., Awaitable[list[Any]]] = client.evalsha  # type: ignore[assignment]
            try:
                return await evalsha(self._sha, len(keys), *keys, *numbers)
            except NoScriptError:  # it was started anew
                self._sha = await client.script_load(SCRIPT)
                return await evalsha(self._sha, len(keys), *keys, *numbers)
        except ValkeyError as error:
            raise _Unanswered from error

    def _fail(self, takes: list[_Take]) -> None:
        """Nobody waits for a server that does not answer, until it is asked again."""
        self.failures += 1
        self._again_at = time.monotonic() + self._again_s
        self._again_s = min(2 * self._again_s, AGAIN_MAX_S)
        for take in takes:
            _settle(take.answer, None)
        self._drop_waiting()
        if self.up:
            self.up = False
            self._on_change(False)

    def _drop_waiting(self) -> None:
        for take in self._waiting:
            _settle(take.answer, None)
        self._waiting.clear()

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # it is gone either way
                await client.aclose()


class _Unanswered(Exception):  # noqa: N818 - never leaves this file
    """Valkey refused, or its connection broke."""


def _settle(answer: "asyncio.Future[float | None]", left: float | None) -> None:
    if not answer.done():
        answer.set_result(left)


def _maker(url: str) -> "Callable[[float], Valkey]":
    """Makes clients; raises SettingsError when there can be none."""
    try:
        from valkey.asyncio import Valkey
    except ImportError:
        raise SettingsError(
            "BEDPLATE_VALKEY_URL is set and the client of Valkey is not installed: "
            "install bedplate[valkey], or unset it."
        ) from None

    def make(timeout_s: float) -> "Valkey":
        client: Valkey = Valkey.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            max_connections=2,
        )
        return client

    try:
        make(1.0)
    except ValueError:
        raise SettingsError(
            "BEDPLATE_VALKEY_URL: write it as valkey://user:password@host:6379/0, "
            "or valkeys:// with TLS, or unix:///path."
        ) from None
    return make
