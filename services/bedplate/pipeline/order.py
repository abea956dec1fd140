"""The stages, in the order in which a call meets them: the order of refusal.

It is part of the public contract and the same on every door; tests pin it.
Peer limits, route and visibility come before, at the doors. To add a stage,
write its file and add its line.
"""

from bedplate.pipeline.stage import CompileStage
from bedplate.pipeline.stages import (
    address,
    attempts,
    audit,
    authenticate,
    authorise,
    cache,
    concurrency,
    deadline,
    decode,
    deprecation,
    drain,
    fault,
    feasible,
    fields,
    labels,
    limits,
    peer,
    rate,
    relation,
    replay,
    shed,
    switch,
    validate,
)

STAGES: tuple[CompileStage, ...] = (
    # Before anybody is known.
    peer.compile,  # a certificate that may not call at all
    deadline.compile,  # expired already; sets the time that all the rest has
    drain.compile,  # the process is about to stop
    shed.compile,  # the process has more to do than it can
    switch.compile,  # the operator switched the method off
    attempts.compile,  # the operator allows fewer attempts of a hedged call
    labels.compile,  # the caller means another environment; schema fingerprint
    deprecation.compile,  # the method's last day has passed
    address.compile,  # too many failed attempts from there
    # Who calls, and whether they may.
    authenticate.compile,
    rate.compile,  # by principal, tenant or address
    authorise.compile,  # tenant, scopes, audience, step-up
    # Whether it makes sense to begin.
    feasible.compile,  # less time left than the method lately takes
    concurrency.compile,  # slots of the method, and the queue before them
    # What they want.
    decode.compile,
    fields.compile,  # output-only, immutable, update masks; of responses too, in tests
    validate.compile,  # rules of the contract
    relation.compile,  # to the object that the request names
    # The work, or what stands for it.
    audit.compile,  # a record of each call that came this far
    replay.compile,  # the outcome of the same request before
    cache.compile,  # an answer that is still fresh
    fault.compile,  # what an operator injects for a test
    # Its answer.
    limits.compile,
)

# For the service that operates the process: it must answer when nothing else
# does, and what it sets must not stop it from taking that back.
OPERATOR_STAGES: tuple[CompileStage, ...] = tuple(
    stage for stage in STAGES if stage not in (shed.compile, switch.compile, feasible.compile, fault.compile)
)
