"""What is kept, and under which key."""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import NamedTuple

import orjson
from google.protobuf.message import Message

from bedplate.errors import Kind, Refusal, Violation

# Two requests of one method and tenant with one digest would share an answer:
# a caller would have to try 2^80 of them to find two.
DIGEST_BYTES = 20

# What an entry takes beside its bytes (objects, three dictionaries), measured, bytes.
OVERHEAD_BYTES = 800

Header = tuple[str, str | bytes]


class Key(NamedTuple):
    """Whose answer to what.

    Attributes:
        method: Full name, `package.Service/Method`.
        tenant: Always there, so that no answer crosses tenants; empty for anonymous callers.
        digest: Of the request; see `digest`.
        principal: Empty where the tenant's principals share the answer.
    """

    method: str
    tenant: str
    digest: bytes
    principal: str


@dataclass(slots=True)
class Entry:
    """A kept answer. Its bytes are parsed anew for each caller, so that nobody can change another's.

    Times are those of the clock of the cache that holds it, seconds.

    Attributes:
        body: The response's bytes, or those of `refusal_body`.
        found: False: the answer is a refusal, NOT_FOUND.
        headers: What the handler added to the response's headers.
        made: When the answer was made.
        fresh_until: Until then it is served as it is.
        stale_until: Until then it is served while a fresh one is made.
        refresh_at: Not before then is a fresh one tried.
    """

    body: bytes
    found: bool
    headers: tuple[Header, ...]
    made: float
    fresh_until: float
    stale_until: float
    refresh_at: float = 0.0

    @property
    def size(self) -> int:
        """What it takes, bytes, roughly."""
        return OVERHEAD_BYTES + len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


def digest(request: Message) -> bytes:
    """What tells one request from another: equal messages have equal ones."""
    return blake2b(request.SerializeToString(deterministic=True), digest_size=DIGEST_BYTES).digest()


def refusal_body(refusal: Refusal) -> bytes:
    """The bytes of a refusal, for an entry."""
    return orjson.dumps(
        {
            "kind": refusal.kind.name,
            "reason": refusal.reason,
            "sentence": refusal.sentence,
            "violations": [asdict(violation) for violation in refusal.violations],
            "retry_after_s": refusal.retry_after_s,
            "facts": dict(refusal.facts),
        }
    )


def refusal_of(body: bytes) -> Refusal:
    """The refusal that `refusal_body` made bytes of."""
    said = orjson.loads(body)
    refusal = Refusal(
        Kind[said["kind"]],
        said["reason"],
        said["sentence"],
        violations=[Violation(**violation) for violation in said["violations"]],
        retry_after_s=said["retry_after_s"],
    )
    refusal.facts = said["facts"]
    return refusal
