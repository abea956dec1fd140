"""The way to the server behind, encrypted, and who the gateway is on it."""

from functools import partial

import pytest
from grpc import ssl_server_credentials

from bedplate.client.tls import Reloading, Tls
from bedplate.gateway.elsewhere import upstream
from bedplate.gateway.elsewhere.upstream import Target, UpstreamError
from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge
from tests.transport.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def credentials(authority, *, mutual):
    certificate, key = authority.issue("library")
    return ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.certificate.read_bytes() if mutual else None,
        require_client_auth=mutual,
    )


async def test_the_server_behind_is_called_over_tls(library, contract, authority):
    async with (
        stranger.library_server(library, credentials=credentials(authority, mutual=False)) as address,
        open_edge(address, contract, tls=Tls(ca=authority.certificate)) as edge,
    ):
        await edge.until_ready()
        reply = await edge.get("/v1/books/Emma")

    assert reply.status == 200


async def test_the_gateway_shows_its_own_certificate_where_one_is_asked_for(library, contract, authority):
    certificate, key = authority.issue("gateway")
    own = Tls(ca=authority.certificate, certificate=certificate, key=key)
    async with stranger.library_server(library, credentials=credentials(authority, mutual=True)) as address:
        async with open_edge(address, contract, tls=own) as edge:
            with_it = await edge.get("/v1/books/Emma")
        async with open_edge(address, contract, tls=Tls(ca=authority.certificate)) as edge:
            without = await edge.get("/v1/books/Emma")

    assert (with_it.status, without.status) == (200, 503)
    assert without.json["reason"] == "UPSTREAM_UNAVAILABLE"


async def test_a_server_whose_certificate_others_signed_is_not_called(library, contract, authority, tmp_path):
    other = Authority(tmp_path, "other")
    async with (
        stranger.library_server(library, credentials=credentials(other, mutual=False)) as address,
        open_edge(address, contract, tls=Tls(ca=authority.certificate)) as edge,
    ):
        reply = await edge.get("/v1/books/Emma", authorization="Bearer secret")
        ready = await edge.get("/readyz")

    assert (reply.status, ready.status) == (503, 503)
    assert library.calls == 0


async def test_certificates_that_are_renewed_are_taken_up_without_a_restart(
    library, contract, authority, tmp_path, monkeypatch
):
    monkeypatch.setattr(upstream, "Reloading", partial(Reloading, look_every_s=0.0))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(Authority(tmp_path, "old").certificate.read_bytes())
    async with (
        stranger.library_server(library, credentials=credentials(authority, mutual=False)) as address,
        open_edge(address, contract, tls=Tls(ca=trusted)) as edge,
    ):
        before = await edge.get("/v1/books/Emma")
        trusted.write_bytes(authority.certificate.read_bytes())
        after = await edge.get("/v1/books/Emma")

    assert (before.status, after.status) == (503, 200)


def test_credentials_go_to_no_other_machine_in_plaintext_unless_that_is_meant():
    with pytest.raises(UpstreamError, match=r"would travel unencrypted to shop:50051.*--plaintext"):
        Target.of("shop:50051", tls=None, plaintext=False)

    assert Target.of("shop:50051", tls=None, plaintext=True).name == "dns:///shop:50051"
    assert Target.of("127.0.0.1:50051", tls=None, plaintext=False).tls is None


def test_tls_files_that_cannot_be_used_are_named(tmp_path):
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")

    with pytest.raises(UpstreamError, match=r"ca\.pem cannot be used"):
        Target.of("127.0.0.1:1", tls=Tls(ca=broken), plaintext=False)
