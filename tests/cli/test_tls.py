"""A server that others can reach, and a call to it over TLS."""

from pathlib import Path

import pytest
import trustme

from bedplate.cli.caller import Caller
from bedplate.cli.exits import Exit, Stop
from tests.cli.conftest import run_in
from tests.cli.test_up import start


def test_an_exposed_server_takes_real_keys_over_tls_and_no_plaintext(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    env = {
        "BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0",
        "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0",
        "BEDPLATE_PRODUCTION": "true",
        "BEDPLATE_TLS_CERTIFICATE": "cert.pem",
        "BEDPLATE_TLS_KEY": "key.pem",
    }
    key = run_in(tmp_path, "key", "create", "--tenant", "acme", "--scope", "ledger.read").stdout.strip()
    server, printed = start(tmp_path, "up", env=env)
    try:
        target = next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("gRPC"))
        target = target.replace("127.0.0.1", "localhost")

        over_tls = run_in(tmp_path, "call", "ListLedgers", "--target", target, "--key", key, "--ca", "ca.pem")
        plain = run_in(tmp_path, "call", "ListLedgers", "--target", target, "--key", key, "--timeout-s", "1")
        broken = run_in(tmp_path, "call", "ListLedgers", "--target", target, "--key", key, "--ca", "key.pem")
    finally:
        server.terminate()
        code = server.wait(30)
        server.communicate()

    assert "bp_dev_" not in printed
    assert "bedplate key create" in printed
    assert (over_tls.returncode, over_tls.stdout) == (0, "{}\n"), over_tls.stderr
    assert plain.returncode in (13, 14)
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    assert code == 0


@pytest.fixture
def closed_server(tmp_path):
    """A server that wants certificates of callers and is called by another name than its own; and a key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("ledger", "operator", "stranger"):
        certificate = authority.issue_cert(name)
        certificate.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        certificate.private_key_pem.write_to_path(str(tmp_path / f"{name}-key.pem"))
    env = {
        "BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0",
        "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0",
        "BEDPLATE_PRODUCTION": "true",
        "BEDPLATE_TLS_CERTIFICATE": "ledger.pem",
        "BEDPLATE_TLS_KEY": "ledger-key.pem",
        "BEDPLATE_TLS_CLIENT_CA": "ca.pem",
        "BEDPLATE_ALLOWED_PEERS": "operator",
    }
    key = run_in(tmp_path, "key", "create", "--tenant", "acme", "--scope", "ledger.read").stdout.strip()
    server, printed = start(tmp_path, "up", env=env)
    yield next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("gRPC")), key
    server.terminate()
    server.wait(30)
    server.communicate()


def test_a_command_shows_its_certificate_to_a_server_that_wants_one(tmp_path, closed_server):
    target, key = closed_server

    def call(name, **env):
        shown = {"BEDPLATE_CERTIFICATE": f"{name}.pem", "BEDPLATE_CERTIFICATE_KEY": f"{name}-key.pem"}
        words = ("call", "ListLedgers", "--target", target, "--key", key, "--ca", "ca.pem")
        return run_in(tmp_path, *words, "--timeout-s", "10", env=shown | env)

    known = call("operator", BEDPLATE_SERVER_NAME="ledger")
    stranger = call("stranger", BEDPLATE_SERVER_NAME="ledger")
    misnamed = call("operator", BEDPLATE_SERVER_NAME="rates")

    assert (known.returncode, known.stdout) == (0, "{}\n"), known.stderr
    assert stranger.returncode == 11
    assert "PEER_FORBIDDEN" in stranger.stderr
    assert misnamed.returncode in (13, 14)


@pytest.mark.parametrize(
    ("env", "ca", "says"),
    [
        ({"BEDPLATE_CERTIFICATE": "x"}, None, "BEDPLATE_CERTIFICATE is set, and nothing that turns TLS on"),
        ({"BEDPLATE_SERVER_NAME": "x"}, None, "BEDPLATE_SERVER_NAME is set, and nothing that turns TLS on"),
        ({"BEDPLATE_CERTIFICATE": "x"}, "ca.pem", "go together: set both or neither"),
        ({"BEDPLATE_CERTIFICATE_KEY": "x"}, "ca.pem", "go together: set both or neither"),
        (
            {"BEDPLATE_CERTIFICATE": "gone.pem", "BEDPLATE_CERTIFICATE_KEY": "gone.pem"},
            "ca.pem",
            "gone.pem cannot be used",
        ),
    ],
)
def test_half_a_certificate_is_told_as_such(monkeypatch, tmp_path, env, ca, says):
    monkeypatch.chdir(tmp_path)
    trustme.CA().cert_pem.write_to_path("ca.pem")
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(Stop) as stopped:
        Caller("127.0.0.1:1", "key", Path(ca) if ca else None).connect()

    assert stopped.value.code == Exit.USAGE
    assert says in "\n".join(stopped.value.lines)
