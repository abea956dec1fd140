"""The routes of Connect and gRPC-Web: every method that has an http rule is also called by its name.

A path that an http rule has is the rule's.
"""

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import MethodOptions

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.policy import Idempotency
from bedplate.contract.redact import has_sensitive
from bedplate.gateway.app import is_served
from bedplate.gateway.beside import cache_control, compress, cors, idempotency, required
from bedplate.gateway.endpoint import CompileFeature, Endpoint, Feature, Served
from bedplate.gateway.protocols import feature
from bedplate.gateway.protocols.named import Named
from bedplate.gateway.routes import Route, parse
from bedplate.settings import Settings

# What browsers' clients of gRPC-Web tell of themselves.
_PASSED_OVER = ("x-grpc-web", "x-user-agent")


def routes(
    methods: Iterable[Served], settings: Settings, *, before: Iterable[CompileFeature] = ()
) -> Iterator[Route]:
    """The routes, or none where a deployment wants none.

    Args:
        methods: All methods of the process.
        settings: What the operator decided.
        before: Features of the gateway's own that come before all others.
    """
    if not settings.http_protocols:
        return
    served = [method for method in methods if is_served(method)]
    taken = {binding.path for method in served for binding in bindings(method.descriptor)}
    features = (
        *before,
        feature.reads(settings.http_compress_bytes),
        idempotency.compile,
        cache_control.compile,
        required.compile,
        _cors,
        compress.of(settings.http_compress_bytes),
        feature.fails,
    )
    for method in served:
        path = f"/{method.name}"
        if path in taken:
            continue
        template = parse(path)
        http_methods = ("POST", "GET") if _may_get(method) else ("POST",)
        for http_method in http_methods:
            binding = Binding(http_method, path, "*" if http_method == "POST" else "", "")
            endpoint = Endpoint(Named(method), binding, template, features)
            yield Route(http_method, template, method.name, endpoint)


def _cors(endpoint: Endpoint) -> Feature | None:
    return cors.with_headers(endpoint, _PASSED_OVER)


def _may_get(method: Served) -> bool:
    """Whether a method is only read, by our promises or by protobuf's own, and may stand in a URL.

    A URL is written into logs and histories all along its way.
    """
    if method.server_streaming or has_sensitive(method.descriptor.input_type):
        return False
    own = method.descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    return own or method.policy.idempotency is Idempotency.READ_ONLY
