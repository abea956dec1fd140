"""Where a service finds the services it calls: here, elsewhere, or nowhere."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from bedplate.client.channel import connect, wrap
from bedplate.client.target import is_loopback, normalised
from bedplate.client.tls import Tls
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.server.service import Service
from bedplate.settings import Settings, SettingsError
from bedplate.transport.local import LocalChannel

# Finds the contracts of a noun; none when nobody here knows it.
ContractsOf = Callable[[str], list[ServiceDescriptor]]


def shipped_contracts(name: str) -> list[ServiceDescriptor]:
    """The contracts of a noun of bedplate's own: their policies say deadlines and retries."""
    module = f"bedplate.{name}.v1.{name}_pb2"
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return []
    if found is None:
        return []
    return list(import_module(module).DESCRIPTOR.services_by_name.values())


def open_channel(
    name: str,
    methods: Mapping[str, Method],
    services: Mapping[str, Service],
    settings: Settings,
    *,
    contracts: ContractsOf = shipped_contracts,
) -> grpc.aio.Channel:
    """The channel to a service by its noun.

    In process when it runs here; to the settings' upstream otherwise. Where it
    is neither, its methods answer UNAVAILABLE: a service that can do without it
    must be able to start.

    Raises:
        SettingsError: It runs elsewhere and cannot be called as the settings say.
    """
    if name in services:
        return wrap(LocalChannel(methods), services[name].descriptor, forward_credential=True, vouch=True)
    if target := settings.upstreams.get(name):
        return _connect(name, target, settings, contracts(name))
    return LocalChannel({}, unknown=_Nowhere(name))


def _connect(
    name: str, target: str, settings: Settings, contracts: list[ServiceDescriptor]
) -> grpc.aio.Channel:
    tls = _tls(settings)
    try:
        if tls is None and not settings.tls_elsewhere and not is_loopback(normalised(target)):
            raise SettingsError(
                f"Credentials of callers would travel unencrypted to {target}. Set BEDPLATE_UPSTREAM_CA to "
                f"call {name} over TLS, or BEDPLATE_TLS_ELSEWHERE=true when a mesh between encrypts."
            )
        return connect(
            target,
            *contracts,
            key=settings.upstream_key,
            forward_credential=not settings.upstream_key,
            plaintext=settings.tls_elsewhere,
            tls=tls,
            environment=settings.environment,
            vouch=not settings.upstream_key,
        )
    except ValueError as error:
        raise SettingsError(f"{name} of BEDPLATE_UPSTREAMS cannot be called: {error}.") from error


def _tls(settings: Settings) -> Tls | None:
    if settings.upstream_ca is None:
        return None
    return Tls(ca=settings.upstream_ca, certificate=settings.tls_certificate, key=settings.tls_key)


class _Nowhere:
    """Refuses every call of a service that is neither here nor among the upstreams."""

    def __init__(self, name: str) -> None:
        self._sentence = (
            f"The service {name} does not run here and BEDPLATE_UPSTREAMS does not say where it does."
        )
        self._failures = FailureMaker({}, domain="bedplate", strict=False)

    def refuse(self, call: Call) -> Failure:
        """The answer to a call."""
        refusal = Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", self._sentence)
        return self._failures.from_exception(refusal, call)
