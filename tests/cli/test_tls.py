"""A server that others can reach, and a call to it over TLS."""

import trustme

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
