"""Makes the callable methods of a service from its contract and its handlers."""

import inspect
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract import reasons
from bedplate.contract.policy import PolicyError
from bedplate.contract.redact import has_sensitive
from bedplate.pipeline.compile import Method, compile_method
from bedplate.pipeline.failure import FailureMaker
from bedplate.pipeline.order import OPERATOR_STAGES, STAGES
from bedplate.pipeline.stage import Parts
from bedplate.policy.enforced import check_method
from bedplate.policy.layers import Layer
from bedplate.server.service import Service
from bedplate.telemetry.recorder import Recorder, Telemetry


def methods_of(
    service: Service,
    parts: Parts,
    telemetry: Telemetry,
    *,
    strict: bool,
    layers: tuple[Layer, ...] = (),
) -> dict[str, Method]:
    """The service's methods by full name, `package.Service/Method`.

    Args:
        service: The service.
        parts: What stages are made with.
        telemetry: Where calls are recorded.
        strict: Whether a refusal with an undeclared reason is answered as a bug.
        layers: What the deployment says of its policies.

    Raises:
        PolicyError: The contract cannot be kept, or a handler is missing or of
            the wrong kind. The text says what to write.
    """
    failures = FailureMaker(
        reasons.of_file(service.descriptor.file), domain=service.descriptor.file.package, strict=strict
    )
    methods = {}
    for descriptor in service.descriptor.methods:
        policy = check_method(descriptor, layers)
        handler = handler_of(service, descriptor, policy.method)
        methods[policy.method] = compile_method(
            descriptor,
            policy,
            handler,
            parts=parts,
            recorder=Recorder(telemetry, policy.method, discreet=_is_discreet(descriptor)),
            failures=failures,
            stages=OPERATOR_STAGES if service.operates else STAGES,
        )
    return methods


def _is_discreet(descriptor: MethodDescriptor) -> bool:
    """Whether a call has requests with secrets that its record does not know any more when it ends."""
    return descriptor.client_streaming and has_sensitive(descriptor.input_type)


def handler_of(service: Service, descriptor: MethodDescriptor, name: str) -> Any:
    """The handler of a method; raises PolicyError when it cannot be one."""
    handler = getattr(service.handlers, descriptor.name, None)
    of = type(service.handlers).__name__
    if handler is None:
        raise PolicyError(f"{name} has no handler. Write in {of}: {_signature(descriptor)}")
    streams = bool(descriptor.server_streaming)
    right = inspect.isasyncgenfunction(handler) if streams else inspect.iscoroutinefunction(handler)
    if not right:
        kind = "an async generator (it must yield its responses)" if streams else "an async function"
        blocks = " What blocks runs on a thread: await context.threads.run(work)."
        raise PolicyError(
            f"The handler of {name} must be {kind}. Write in {of}: {_signature(descriptor)}"
            f"{'' if inspect.iscoroutinefunction(handler) or streams else blocks}"
        )
    return handler


def _signature(descriptor: MethodDescriptor) -> str:
    request = "requests" if descriptor.client_streaming else "request"
    return f"async def {descriptor.name}(self, {request}, call)"
