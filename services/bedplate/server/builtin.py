"""Services that every server has and whose contracts are not ours.

Their policy stands here. They need no credential: a load balancer that asks
for health has none, and the contract that reflection shows is no secret (it can
be switched off). They answer while the server drains.
"""

from dataclasses import replace

from bedplate.contract.policy import Auth, Idempotency, resolve
from bedplate.contract.reasons import Reason
from bedplate.pipeline.compile import Method, compile_method
from bedplate.pipeline.failure import FailureMaker
from bedplate.pipeline.stage import CompileStage, Parts
from bedplate.pipeline.stages import deadline, decode
from bedplate.server.service import Service
from bedplate.server.table import handler_of
from bedplate.telemetry.recorder import Recorder, Telemetry

_STAGES: tuple[CompileStage, ...] = (deadline.compile, decode.compile)
_ANYONE = Auth(anonymous=True, all_scopes=frozenset(), any_scopes=frozenset())

UNKNOWN_SERVICE = Reason(
    name="SERVICE_NOT_FOUND",
    domain="bedplate",
    code="NOT_FOUND",
    retryable=False,
    help="Check the service's full name; this server does not have it.",
)


def builtin_methods(
    service: Service, parts: Parts, telemetry: Telemetry, *, stream_s: float
) -> dict[str, Method]:
    """The methods of such a service by full name.

    Args:
        service: The service.
        parts: What stages are made with.
        telemetry: Where calls are recorded.
        stream_s: How long a streaming call may last; one that watches lives no
            longer than its connection does.
    """
    failures = FailureMaker({UNKNOWN_SERVICE.name: UNKNOWN_SERVICE}, domain="bedplate", strict=True)
    methods = {}
    for descriptor in service.descriptor.methods:
        policy = replace(resolve(descriptor), auth=_ANYONE, idempotency=Idempotency.READ_ONLY)
        if descriptor.server_streaming:
            policy = replace(policy, deadline_default_s=stream_s, deadline_max_s=stream_s)
        methods[policy.method] = compile_method(
            descriptor,
            policy,
            handler_of(service, descriptor, policy.method),
            parts=parts,
            recorder=Recorder(telemetry, policy.method),
            failures=failures,
            stages=_STAGES,
        )
    return methods
