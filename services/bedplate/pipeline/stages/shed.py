"""Shed: a process that has more to do than it can refuses what matters least.

Everything but health, reflection and admin passes here. A call in process is
part of one that was let in before, and streams are asked at their beginning
only: they say nothing of how long calls take, and wait more than they work.
"""

from bedplate.contract.headers import CRITICALITY
from bedplate.contract.policy import MethodPolicy
from bedplate.pipeline.call import Call
from bedplate.pipeline.load.criticality import lowered
from bedplate.pipeline.stage import Parts, Stage

# What a call that ended so says of how long such calls take; others end early.
_TELLING = frozenset({"", "DEADLINE_EXCEEDED"})


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse a call for which the process has no room; count those that run."""
    load, declared = parts.load, policy.criticality
    door, limit, refusal = load.door(policy.method), load.limit, load.refusal
    counted = not (policy.descriptor.client_streaming or policy.descriptor.server_streaming)

    def enter(call: Call) -> None:
        asked = call.level  # what the door asked for already
        wish = call.metadata.get(CRITICALITY)
        level = call.level = declared if wish is None else lowered(declared, wish)
        if call.door == "local":
            return
        if level is not asked and (refused := refusal(door, level)) is not None:
            raise refused
        if counted:
            call.counted = True
            limit.begin()

    def leave(call: Call) -> None:
        if not call.counted:
            return
        if call.reason in _TELLING:
            limit.end(door.base, call.ended - call.started - call.queued_s, call.ended)
        else:
            limit.drop()

    return Stage("shed", enter=enter, leave=leave if counted else None)
