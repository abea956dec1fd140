"""Where channels lead, what they send, and whose they are."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from bedplate.client import Tls, connect, wrap
from bedplate.client.channel import Channel
from bedplate.client.errors import Unauthenticated, Unavailable
from bedplate.client.target import is_loopback, normalised
from bedplate.client.tls import Reloading
from bedplate.testing.serve import KEY, OTHER_KEY, OTHER_TENANT, TENANT, Served
from tests.client.conftest import working
from tests.client.echo_client import AsyncEchoClient
from tests.client.plain import plain_server
from tests.protos import echo


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost:50051", "dns:///localhost:50051"),
        ("10.0.0.1:1", "dns:///10.0.0.1:1"),
        ("[::1]:50051", "dns:///[::1]:50051"),
        ("dns:///ledger:50051", "dns:///ledger:50051"),
        ("unix:/run/ledger.sock", "unix:/run/ledger.sock"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
    ],
)
def test_a_bare_address_is_looked_up_by_dns(target: str, expected: str) -> None:
    assert normalised(target) == expected


@pytest.mark.parametrize("key", ["a\nb", "a b", "schlüssel", "\x00"])
def test_a_key_that_no_header_can_hold_is_refused_before_a_call(key: str) -> None:
    with pytest.raises(ValueError, match="the key holds a character that no header can"):
        connect("localhost:1", key=key)


@pytest.mark.parametrize("target", ["", "localhost", "localhost:", ":50051", "localhost:x", "a:0", "a:65536"])
def test_an_address_without_a_port_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        connect(target)


def test_a_url_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(ValueError, match=r"is a URL.*127\.0\.0\.1:50051"):
        connect("http://localhost:8080")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.8.9.1:1", True),
        ("[::1]:1", True),
        ("unix:/a", True),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:2", False),
        ("10.0.0.1:1", False),
        ("localhost.example.com:1", False),
        ("dns://127.0.0.1/example.com:1", False),
        ("xds:///a", False),
    ],
)
def test_what_stays_on_the_machine_is_known(target: str, expected: bool) -> None:
    assert is_loopback(normalised(target)) is expected


@pytest.mark.parametrize("named", [{"key": "k"}, {"forward_credential": True}])
def test_a_credential_does_not_travel_unencrypted_to_another_machine(named: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unencrypted.*tls=Tls.*plaintext=True"):
        connect("ledger.example.com:50051", **named)

    connect("ledger.example.com:50051", plaintext=True, **named)
    connect("ledger.example.com:50051")


async def test_the_key_is_sent_with_every_kind_of_call(client: AsyncEchoClient) -> None:
    requests = [echo.EchoRequest(text="a")]

    answers = [
        await client.echo(text="a"),
        await anext(client.repeat(text="a", times=1)),
        await client.collect(requests),
        await anext(client.chat(requests)),
    ]

    assert [answer.tenant for answer in answers] == [TENANT] * 4


async def test_no_key_is_refused_with_a_reason(served: Served) -> None:
    async with AsyncEchoClient(served.grpc_address) as client:
        with pytest.raises(Unauthenticated) as refused:
            await client.echo(text="a")

    assert refused.value.reason == "CREDENTIAL_MISSING"


async def test_within_a_call_the_callers_credential_is_sent_when_asked_for(served: Served) -> None:
    async with AsyncEchoClient(served.grpc_address, key=KEY, forward_credential=True) as client:
        with working(5, credential=f"Bearer {OTHER_KEY}"):
            within = await client.echo(text="a")
        outside = await client.echo(text="a")

    assert (within.tenant, outside.tenant) == (OTHER_TENANT, TENANT)


async def test_within_a_call_the_clients_own_key_is_sent_otherwise(client: AsyncEchoClient) -> None:
    with working(5, credential=f"Bearer {OTHER_KEY}"):
        assert (await client.echo(text="a")).tenant == TENANT


async def test_the_work_of_an_anonymous_caller_does_not_gain_the_clients_own_rights(served: Served) -> None:
    async with AsyncEchoClient(served.grpc_address, key=KEY, forward_credential=True) as client:
        with working(5, credential=""), pytest.raises(Unauthenticated):
            await client.echo(text="a")


async def test_the_trace_goes_on_in_the_next_hop(client: AsyncEchoClient, handlers: echo.Handlers) -> None:
    seen: list[tuple[str, str]] = []

    async def look(call: Any) -> None:
        seen.append((call.trace_id, call.parent_span_id))

    handlers.actions["look"] = look
    with working(5, traceparent=f"00-{'a' * 32}-{'b' * 16}-01"):
        await client.echo(text="look")

    assert seen == [("a" * 32, "b" * 16)]


async def test_metadata_that_the_caller_gives_comes_before_the_channels_own(served: Served) -> None:
    async with connect(served.grpc_address, echo.SERVICE, key="wrong") as channel:
        stub = channel.unary_unary(
            "/tests.echo.v1.EchoService/Echo",
            echo.EchoRequest.SerializeToString,
            echo.EchoResponse.FromString,
        )
        answer = await stub(echo.EchoRequest(text="a"), metadata=(("authorization", f"Bearer {OTHER_KEY}"),))

    assert answer.tenant == OTHER_TENANT


def test_a_client_in_another_loop_is_refused() -> None:
    channel = connect("127.0.0.1:1", echo.SERVICE)
    client = AsyncEchoClient(channel)

    async def call() -> None:
        with pytest.raises(Unavailable):
            await client.call("EchoOpen", echo.EchoRequest(text="a"), timeout_s=0.2)

    asyncio.run(call())

    async def call_again() -> None:
        with pytest.raises(RuntimeError, match="another event loop; make one in each loop"):
            await client.echo(text="a")

    asyncio.run(call_again())


async def test_a_closed_client_is_refused(served: Served) -> None:
    async with AsyncEchoClient(served.grpc_address, key=KEY) as client:
        await client.echo(text="a")

    with pytest.raises(RuntimeError, match="closed; make a new one"):
        await client.echo(text="a")


async def test_a_channel_that_was_passed_in_stays_open(served: Served) -> None:
    async with connect(served.grpc_address, echo.SERVICE, key=KEY) as channel:
        async with AsyncEchoClient(channel) as client:
            await client.echo(text="a")
        async with AsyncEchoClient(channel) as client:
            assert (await client.echo(text="b")).text == "b"


async def test_a_plain_channel_becomes_one_that_keeps_the_contract(
    served: Served, handlers: echo.Handlers
) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as plain:
        client = AsyncEchoClient(plain, key=KEY)

        assert (await client.echo(text="a")).tenant == TENANT


def test_settings_of_a_new_channel_are_refused_with_an_existing_one() -> None:
    with pytest.raises(ValueError, match="belong to a new channel"):
        AsyncEchoClient(wrap(connect("127.0.0.1:1")), tls=Tls())


class Certificates:
    """A certificate authority, and files as an operator has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self.tls = Tls(ca=folder / "ca.pem", certificate=folder / "client.pem", key=folder / "client.key")

    def issue(self, name: str) -> None:
        """Give the client another certificate."""
        issued = self.authority.issue_cert(f"{name}@example.com", common_name=name)
        (self.folder / "client.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        (self.folder / "client.key").write_bytes(issued.private_key_pem.bytes())

    def server(self) -> grpc.ServerCredentials:
        """For a server that asks callers for a certificate."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        return grpc.ssl_server_credentials(
            [(issued.private_key_pem.bytes(), chain)],
            root_certificates=self.authority.cert_pem.bytes(),
            require_client_auth=True,
        )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Files of a client called `first`."""
    made = Certificates(tmp_path)
    made.issue("first")
    return made


async def who_calls(request: bytes, context: Any) -> Any:
    """Answers the name in the caller's certificate."""
    names = context.auth_context().get("x509_common_name", [b"nobody"])
    return echo.EchoResponse(text=names[0].decode())


async def test_renewed_certificates_are_used_without_a_restart(certificates: Certificates) -> None:
    reloading = Reloading(certificates.tls, look_every_s=0.0)
    async with plain_server(who_calls, certificates.server()) as address:
        channel = Channel(
            lambda: grpc.aio.secure_channel(address, reloading.credentials),
            services=[echo.SERVICE],
            key="",
            forward_credential=False,
            changed=reloading.changed,
        )
        async with channel, AsyncEchoClient(channel) as client:
            first = await client.echo(text="who")
            certificates.issue("second")
            second = await client.echo(text="who")

    assert (first.text, second.text) == ("first", "second")


async def test_calls_that_run_while_certificates_are_renewed_end_well(certificates: Certificates) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def hold(request: bytes, context: Any) -> Any:
        if echo.EchoRequest.FromString(request).text == "held":
            reached.set()
            await release.wait()
        return await who_calls(request, context)

    reloading = Reloading(certificates.tls, look_every_s=0.0)
    async with plain_server(hold, certificates.server()) as address:
        channel = Channel(
            lambda: grpc.aio.secure_channel(address, reloading.credentials),
            services=[echo.SERVICE],
            key="",
            forward_credential=False,
            changed=reloading.changed,
        )
        async with channel, AsyncEchoClient(channel) as client:
            held = asyncio.create_task(client.echo(text="held"))
            await reached.wait()
            certificates.issue("second")
            assert (await client.echo(text="who")).text == "second"
            release.set()

            assert (await held).text == "first"


async def test_a_client_calls_with_tls_by_what_it_was_made_with(certificates: Certificates) -> None:
    async with (
        plain_server(who_calls, certificates.server()) as address,
        AsyncEchoClient(address, tls=certificates.tls) as client,
    ):
        assert (await client.echo(text="who")).text == "first"


async def test_a_server_whose_certificate_nobody_signed_is_not_called(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with plain_server(who_calls, certificates.server()) as address:
        tls = Tls(ca=Certificates(other).tls.ca)
        async with AsyncEchoClient(address, key="secret", tls=tls) as client:
            with pytest.raises(Unavailable):
                await client.call("EchoOpen", echo.EchoRequest(text="x"), timeout_s=1)


@pytest.mark.parametrize("name", ["ca.pem", "client.pem", "client.key"])
def test_a_broken_file_is_refused_by_name(certificates: Certificates, name: str) -> None:
    (certificates.folder / name).write_text("no certificate")

    with pytest.raises(ValueError, match=name):
        connect("127.0.0.1:1", tls=certificates.tls)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.pem"):
        connect("127.0.0.1:1", tls=Tls(ca=tmp_path / "nowhere.pem"))


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=tmp_path / "a.pem")


def test_half_written_files_change_nothing_until_they_are_whole(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    reloading = Reloading(certificates.tls, look_every_s=0.0)
    before = reloading.credentials

    (certificates.folder / "client.pem").write_text("-----BEGIN CERT")
    assert not reloading.changed()
    assert reloading.credentials is before
    assert "client.pem" in caplog.text

    certificates.issue("third")
    assert reloading.changed()
    assert reloading.credentials is not before
    assert not reloading.changed()


def test_files_are_not_looked_at_for_every_call(certificates: Certificates) -> None:
    reloading = Reloading(certificates.tls, look_every_s=3600.0)

    certificates.issue("second")

    assert not reloading.changed()


def test_a_key_that_does_not_fit_its_certificate_is_refused(certificates: Certificates) -> None:
    key = (certificates.folder / "client.key").read_bytes()
    certificates.issue("second")
    (certificates.folder / "client.key").write_bytes(key)

    with pytest.raises(ValueError, match=r"client\.key") as refused:
        connect("127.0.0.1:1", tls=certificates.tls)

    assert isinstance(refused.value.__cause__, ssl.SSLError)


@pytest.mark.parametrize(
    ("criticality", "sent"), [("", []), ("sheddable", ["sheddable"]), ("critical", ["critical"])]
)
async def test_what_is_called_for_a_call_matters_no_more_than_it(criticality: str, sent: list[str]) -> None:
    with working(5, criticality=criticality):
        metadata = connect("127.0.0.1:1", echo.SERVICE).metadata("/tests.echo.v1.EchoService/Echo", None)

    assert [value for name, value in metadata if name == "bedplate-criticality"] == sent
