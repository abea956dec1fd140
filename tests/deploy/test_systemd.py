"""The unit of systemd: that it is one, and that it suits the process."""

import shutil
import subprocess
import tomllib

import pytest

from bedplate.cli.exits import Exit
from bedplate.settings import Settings
from bedplate.transport.open_files import RESERVED
from tests.deploy.manifests import DEPLOY, unit

SETTINGS = tomllib.loads((DEPLOY / "systemd" / "settings.toml").read_text())


def only(name: str) -> str:
    (value,) = unit()[name]
    return value


def test_it_starts_again_after_what_time_may_mend_and_not_after_a_mistake():
    assert only("Restart") == "on-failure"
    kept = {int(code) for code in only("RestartPreventExitStatus").split()}
    assert kept == {Exit.USAGE, Exit.CONFIGURATION}


def test_its_data_is_in_the_folder_that_systemd_makes():
    assert SETTINGS["data_dir"] == f"/var/lib/{only('StateDirectory')}" == only("WorkingDirectory")
    assert only("Environment") == "BEDPLATE_SETTINGS=/etc/bedplate/settings.toml"


def test_it_may_have_a_file_open_for_each_connection():
    settings = Settings(**SETTINGS)

    wanted = settings.http_connections + settings.grpc_connections + RESERVED
    assert int(only("LimitNOFILE")) >= wanted


def test_it_keeps_to_itself():
    assert only("User") not in ("", "root")
    for name, value in {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "UMask": "0077",
    }.items():
        assert only(name) == value


def test_systemd_finds_nothing_wrong_with_it(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on the path")
    # Where the command is installed, which is the one thing that this machine need not have.
    text = (DEPLOY / "systemd" / "bedplate.service").read_text()
    path = tmp_path / "bedplate.service"
    path.write_text(text.replace("/opt/bedplate/bin/bedplate", shutil.which("true") or "/bin/true"))

    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
