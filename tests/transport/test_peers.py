"""Who may call at all, and who is believed when it says for whom it calls: by certificate."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from bedplate.pipeline.call import Call
from bedplate.services.ledger.service import SERVICE as LEDGER
from bedplate.settings import Settings, SettingsError
from bedplate.testing.serve import KEY, TENANT, Served, serve
from bedplate.transport.metadata import Sent
from bedplate.transport.names import names_of_certificate
from tests.protos import echo
from tests.protos.echo import EchoRequest, EchoResponse
from tests.protos.echo_client import EchoClient, Refused
from tests.transport.certificates import Authority


class Seen(echo.Handlers):
    """Notes who called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.then: Callable[[Call], Awaitable[None]] | None = None

    async def Echo(self, request: Any, call: Call) -> Any:
        self.calls.append(call)
        if self.then is not None:
            await self.then(call)
        return await super().Echo(request, call)


@asynccontextmanager
async def served(authority: Authority, seen: Seen, **settings: Any) -> AsyncIterator[Served]:
    certificate, key = authority.issue("server")
    async with serve(
        [echo.service(seen), LEDGER],
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=authority.certificate,
        **settings,
    ) as running:
        yield running


async def call_as(
    served: Served,
    authority: Authority,
    name: str,
    metadata: dict[str, str],
    *,
    key: str = "",
    again: tuple[tuple[str, str], ...] = (),
) -> None:
    certificate, private = authority.issue(name)
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(), private.read_bytes(), certificate.read_bytes()
    )
    async with EchoClient(served.grpc_address, credentials) as client:
        sent = metadata | ({"authorization": f"Bearer {key}"} if key else {})
        await client.call("Echo", EchoRequest(text="hi"), timeout=5, metadata=(*sent.items(), *again))


def over_http(served: Served, authority: Authority, name: str) -> Callable[[], tuple[int, bytes]]:
    """Asks over HTTP with a certificate of this name."""
    context = authority.trusted()
    context.load_cert_chain(*authority.issue(name))

    def ask() -> tuple[int, bytes]:
        host, _, port = served.http_address.rpartition(":")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        connection.request("GET", "/v1/ledgers", headers={"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    return ask


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def seen() -> Seen:
    return Seen()


FOR_ANN = {
    "bedplate-principal": "user:ann",
    "bedplate-tenant": "tenant-ann",
    "bedplate-scopes": "echo.read other.read",
}


async def test_a_trusted_peer_is_believed_for_whom_it_calls(authority: Authority, seen: Seen):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:
        await call_as(running, authority, "gateway", FOR_ANN)

    (call,) = seen.calls
    assert (call.principal.id, call.principal.tenant) == ("user:ann", "tenant-ann")
    assert call.principal.scopes == {"echo.read", "other.read"}
    assert not {name for name in call.metadata if name.startswith("bedplate-")}


@pytest.mark.parametrize("trusted", [["gateway"], []])
async def test_nobody_else_is_and_handlers_never_see_what_it_said(
    authority: Authority, seen: Seen, trusted: list[str]
):
    async with served(authority, seen, trusted_peers=trusted) as running:
        with pytest.raises(Refused) as refused:
            await call_as(running, authority, "stranger", FOR_ANN)
        await call_as(running, authority, "stranger", FOR_ANN, key=KEY)

    assert refused.value.reason == "CREDENTIAL_MISSING"
    (call,) = seen.calls
    assert (call.principal.id, call.tenant) == (f"key:{KEY}", TENANT)
    assert call.metadata.get("bedplate-principal") is None
    assert "bedplate-tenant" not in dict(call.metadata)


async def test_a_trusted_peer_that_says_nothing_shows_a_credential(authority: Authority, seen: Seen):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:
        with pytest.raises(Refused) as refused:
            await call_as(running, authority, "gateway", {})
        await call_as(running, authority, "gateway", {}, key=KEY)

    assert refused.value.reason == "CREDENTIAL_MISSING"
    assert seen.calls[0].principal.tenant == TENANT


@pytest.mark.parametrize(
    ("name", "said", "peer"),
    [
        ("gateway", "192.0.2.7", "ipv4:192.0.2.7:0"),
        ("gateway", "2001:db8::7", "ipv6:[2001:db8::7]:0"),
        ("gateway", "192.0.2.7, 192.0.2.8", "ipv4:127.0.0.1:"),
        ("gateway", "nobody", "ipv4:127.0.0.1:"),
        ("stranger", "192.0.2.7", "ipv4:127.0.0.1:"),
    ],
)
async def test_a_trusted_gateway_tells_from_where_it_was_called(
    authority: Authority, seen: Seen, name: str, said: str, peer: str
):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:
        seen.then = lambda call: found.append(call.peer) or asyncio.sleep(0)
        found: list[str] = []
        await call_as(running, authority, name, {"x-forwarded-for": said}, key=KEY)

    assert found[0].startswith(peer)


async def test_keys_tried_through_a_gateway_count_for_who_tries_them(authority: Authority, seen: Seen):
    limited = {"trusted_peers": ["gateway"], "address_rate": 0.001, "address_burst": 5}
    async with served(authority, seen, **limited) as running:
        for reason in ("CREDENTIAL_INVALID", "ADDRESS_LIMITED"):
            with pytest.raises(Refused) as refused:
                await call_as(running, authority, "gateway", {"x-forwarded-for": "192.0.2.7"}, key="wrong")
            assert refused.value.reason == reason
        await call_as(running, authority, "gateway", {"x-forwarded-for": "192.0.2.8"}, key=KEY)

    assert len(seen.calls) == 1


async def test_scopes_are_asked_of_whom_it_calls_for(authority: Authority, seen: Seen):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:
        with pytest.raises(Refused) as refused:
            await call_as(running, authority, "gateway", FOR_ANN | {"bedplate-scopes": ""})

    assert refused.value.reason == "SCOPE_MISSING"


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (("bedplate-principal", "user:bob"), "CREDENTIAL_INVALID"),
        (("bedplate-tenant", "tenant-bob"), "TENANT_MISSING"),
        (("bedplate-scopes", "x echo.read y"), "SCOPE_MISSING"),
    ],
)
async def test_what_a_proxy_added_to_what_its_caller_said_is_not_believed(
    authority: Authority, seen: Seen, again: tuple[str, str], reason: str
):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:
        with pytest.raises(Refused) as refused:
            await call_as(running, authority, "gateway", FOR_ANN, key=KEY, again=(again,))

    assert refused.value.reason == reason
    assert seen.calls == []


async def test_only_peers_on_the_list_may_call_on_either_door(authority: Authority, seen: Seen):
    async with served(authority, seen, allowed_peers=["ledger", "gateway"]) as running:
        await call_as(running, authority, "ledger", {}, key=KEY)
        with pytest.raises(Refused) as refused:
            await call_as(running, authority, "stranger", {}, key=KEY)

        told = {name: over_http(running, authority, name) for name in ("ledger", "stranger")}
        allowed, other = [await asyncio.to_thread(ask) for ask in told.values()]

    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "PEER_FORBIDDEN")
    assert len(seen.calls) == 1
    assert allowed[0] == 200
    assert other[0] == 403
    assert b"PEER_FORBIDDEN" in other[1]


async def test_whom_a_peer_vouched_for_is_who_calls_the_next_service_in_the_process(
    authority: Authority, seen: Seen
):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:

        async def ask_again(call: Call) -> None:
            if call.door != "local":
                channel = running.app.channel("echo")
                again = channel.unary_unary(
                    f"/{call.method}", EchoRequest.SerializeToString, EchoResponse.FromString
                )
                await again(EchoRequest(text="again"))

        seen.then = ask_again
        await call_as(running, authority, "gateway", FOR_ANN)

    outer, inner = seen.calls
    assert (outer.door, inner.door) == ("grpc", "local")
    assert inner.principal == outer.principal
    assert "bedplate-principal" not in inner.metadata


async def test_the_key_of_a_peer_that_calls_for_somebody_is_not_shown_on(authority: Authority, seen: Seen):
    async with served(authority, seen, trusted_peers=["gateway"]) as running:

        async def ask_again(call: Call) -> None:
            if call.door != "local":
                channel = running.app.channel("echo")
                again = channel.unary_unary(
                    f"/{call.method}", EchoRequest.SerializeToString, EchoResponse.FromString
                )
                await again(EchoRequest(text="again"))

        seen.then = ask_again
        await call_as(running, authority, "gateway", FOR_ANN, key=KEY)

    outer, inner = seen.calls
    assert outer.credential == ""
    assert "authorization" not in outer.metadata
    assert inner.principal == outer.principal


def test_lists_of_peers_need_certificates():
    for name in ("allowed_peers", "trusted_peers"):
        with pytest.raises(SettingsError, match="BEDPLATE_TLS_CLIENT_CA"):
            Settings.load(**{name: "a, b"})


def test_a_list_is_written_with_commas(authority: Authority):
    certificate, key = authority.issue("server")
    settings = Settings.load(
        tls_certificate=certificate, tls_key=key, tls_client_ca=authority.certificate, allowed_peers=" a, b ,"
    )

    assert settings.allowed_peers == {"a", "b"}


def test_names_are_common_and_alternative_ones_and_no_addresses():
    certificate = {
        "subject": ((("organizationName", "x"),), (("commonName", "ledger"),)),
        "subjectAltName": (
            ("DNS", "ledger.internal"),
            ("URI", "spiffe://x/ledger"),
            ("IP Address", "10.0.0.1"),
            ("DNS", "ledger"),
        ),
    }

    assert names_of_certificate(certificate) == ("ledger", "ledger.internal", "spiffe://x/ledger")
    assert names_of_certificate(None) == names_of_certificate({}) == ()


def test_what_tells_for_whom_a_peer_calls_is_kept_apart():
    sent = Sent((("a", "1"), ("bedplate-principal", "p"), ("bedplate-scopes", "s"), ("bedplate-scopes", "t")))

    assert dict(sent) == {"a": "1"}
    assert len(sent) == 1
    assert sent.get("bedplate-principal", "none") == "none"
    assert sent.apart() == {"bedplate-principal": "p", "bedplate-scopes": ""}
