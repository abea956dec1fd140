"""The features of the gateway in the order in which their hooks run."""

from bedplate.gateway.beside import streams
from bedplate.gateway.endpoint import CompileFeature

FEATURES: tuple[CompileFeature, ...] = (streams.compile,)
