"""The features of the gateway in the order in which their hooks run."""

from bedplate.gateway.beside import (
    cache_control,
    compress,
    conditional,
    cors,
    created,
    idempotency,
    inflate,
    lenient,
    links,
    negotiate,
    patch,
    prefer,
    raw,
    required,
    streams,
    view,
)
from bedplate.gateway.endpoint import CompileFeature
from bedplate.settings import Settings

FEATURES: tuple[CompileFeature, ...] = (
    # Take another plan, before others look at it.
    lenient.compile,
    raw.compile,
    view.compile,
    # Read what came in.
    negotiate.compile,
    inflate.compile,
    streams.compile,
    # Fill the request.
    patch.compile,
    idempotency.compile,
    # Add to the answer: the status first, the body's tag before the body is left out.
    cache_control.compile,
    created.compile,
    conditional.compile,
    # Look at the request when it is filled.
    required.compile,
    links.compile,
    prefer.compile,
    cors.compile,
)


def features(settings: Settings) -> tuple[CompileFeature, ...]:
    """All of them, as a deployment wants them; what is compressed is all that the others made."""
    return (*FEATURES, compress.of(settings.http_compress_bytes))
