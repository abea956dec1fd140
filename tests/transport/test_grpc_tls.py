"""TLS on the gRPC door: who is let in, and certificates that change while the server runs."""

import shutil
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest

from bedplate.settings import SettingsError
from bedplate.testing.serve import Served, serve
from bedplate.transport.tls import TlsError, TlsFiles
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient, Refused
from tests.transport.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls(certificate: Path, key: Path, **more: Any) -> dict[str, Any]:
    return {"tls_certificate": certificate, "tls_key": key, **more}


def trusting(authority: Authority, client: tuple[Path, Path] | None = None) -> grpc.ChannelCredentials:
    chain, key = (path.read_bytes() for path in client) if client else (None, None)
    return grpc.ssl_channel_credentials(authority.certificate.read_bytes(), key, chain)


async def say_hi(served: Served, credentials: grpc.ChannelCredentials | None) -> str:
    async with EchoClient(served.grpc_address, credentials) as client:
        answer = await client.call("Echo", EchoRequest(text="hi"), timeout=5)
        return str(answer.text)


async def test_a_caller_that_trusts_the_authority_is_answered(authority: Authority) -> None:
    async with serve([echo.service(echo.Handlers())], **tls(*authority.issue("server"))) as served:
        assert await say_hi(served, trusting(authority)) == "hi"


async def test_plaintext_and_strange_authorities_get_nowhere(authority: Authority, tmp_path: Path) -> None:
    async with serve([echo.service(echo.Handlers())], **tls(*authority.issue("server"))) as served:
        for credentials in (None, trusting(Authority(tmp_path, "stranger"))):
            with pytest.raises(Refused) as refused:
                await say_hi(served, credentials)
            assert refused.value.code == "UNAVAILABLE"


async def test_with_a_client_authority_only_its_certificates_are_let_in(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    settings = tls(*authority.issue("server"), tls_client_ca=authority.certificate)
    async with serve([echo.service(echo.Handlers())], **settings) as served:
        assert await say_hi(served, trusting(authority, authority.issue("caller"))) == "hi"
        for other in (None, stranger.issue("other")):
            with pytest.raises(Refused):
                await say_hi(served, trusting(authority, other))


async def test_a_certificate_that_was_replaced_is_used_for_new_connections(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("server")
    async with (
        serve([echo.service(echo.Handlers())], **tls(certificate, key)) as served,
        EchoClient(served.grpc_address, trusting(authority)) as before,
    ):
        await before.call("Echo", EchoRequest(text="hi"))
        successor = Authority(tmp_path, "successor")
        for new, old in zip(successor.issue("new"), (certificate, key), strict=True):
            shutil.copy(new, old)

        assert await say_hi(served, trusting(successor)) == "hi"
        with pytest.raises(Refused):
            await say_hi(served, trusting(authority))
        assert (await before.call("Echo", EchoRequest(text="hi"))).text == "hi"  # its connection lives


async def test_a_replacement_that_does_not_fit_changes_nothing(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    async with serve([echo.service(echo.Handlers())], **tls(certificate, key)) as served:
        shutil.copy(authority.issue("new")[0], certificate)  # its key is not there yet

        assert await say_hi(served, trusting(authority)) == "hi"
        certificate.unlink()
        assert await say_hi(served, trusting(authority)) == "hi"


def test_a_key_of_another_certificate_stops_start_up(authority: Authority) -> None:
    with pytest.raises(TlsError, match="BEDPLATE_TLS_KEY"):
        TlsFiles(authority.issue("one")[0], authority.issue("two")[1], None)


def test_files_that_are_no_pem_stop_start_up_and_their_content_is_not_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")

    with pytest.raises(TlsError) as error:
        TlsFiles(secret, secret, None)
    assert "hunter2" not in str(error.value)


async def test_a_server_with_tls_may_listen_to_others(authority: Authority) -> None:
    settings = tls(*authority.issue("server"), grpc_address="0.0.0.0:0", http_address="0.0.0.0:0")
    async with serve([echo.service(echo.Handlers())], production=True, **settings) as served:
        served_here = Served(served.app, served.grpc_address.replace("0.0.0.0", "127.0.0.1"), "", served.log)
        assert await say_hi(served_here, trusting(authority)) == "hi"


async def test_without_tls_it_may_not() -> None:
    with pytest.raises(SettingsError, match="BEDPLATE_TLS_CERTIFICATE"):
        async with serve([echo.service(echo.Handlers())], grpc_address="0.0.0.0:0"):
            pass


def test_the_http_context_takes_new_files_too(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    files = TlsFiles(certificate, key, None)
    context = files.ssl_context()
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert not files.refresh()

    for new, old in zip(authority.issue("new"), (certificate, key), strict=True):
        shutil.copy(new, old)

    assert files.refresh()
    assert not files.refresh()
