"""The stages, in the order in which a call meets them: the order of refusal.

It is part of the public contract and the same on every door; tests pin it.
Peer limits, route and visibility come before, at the doors. To add a stage,
write its file and add its line.
"""

from bedplate.pipeline.stage import CompileStage
from bedplate.pipeline.stages import authenticate, authorise, deadline, decode, drain, limits, validate

STAGES: tuple[CompileStage, ...] = (
    deadline.compile,
    drain.compile,
    authenticate.compile,
    authorise.compile,
    decode.compile,
    validate.compile,
    limits.compile,
)
