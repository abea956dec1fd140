"""The features of the gateway in the order in which their hooks run."""

from bedplate.gateway.beside import conditional, cors, created, idempotency, links, patch, prefer, streams
from bedplate.gateway.endpoint import CompileFeature

FEATURES: tuple[CompileFeature, ...] = (
    streams.compile,
    # Fill the request.
    patch.compile,
    idempotency.compile,
    # Add to the answer: the status first, the body's tag before the body is left out.
    created.compile,
    conditional.compile,
    links.compile,
    prefer.compile,
    cors.compile,
)
