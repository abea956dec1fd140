"""The compose file: what each container may do, who reaches whom, and that its files are made as told."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from bedplate.auth.keys import list_keys
from bedplate.data.page import load_shared_key
from bedplate.gateway import pages
from bedplate.settings import Settings
from tests.deploy.manifests import DEPLOY, DOCUMENTATION, ROOT, compose, deployed
from tests.faults.platform import BEDPLATE

SERVICES = compose()["services"]
OURS = {each.name: each for each in deployed() if each.origin == "compose.yaml"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_bounded_and_gains_no_rights(name):
    spec = SERVICES[name]

    assert set(spec["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "no-new-privileges:true" in spec["security_opt"]
    assert spec["restart"] == "unless-stopped"
    assert spec["logging"]["options"] == {"max-size": "32m", "max-file": "4"}
    assert spec["healthcheck"]["test"][0] == "CMD"
    tag = spec["image"].partition(":")[2]
    assert re.match(r"\d+\.\d+", tag), "a version, or two machines differ"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_nowhere_and_have_no_capability(name):
    spec = SERVICES[name]

    assert spec["read_only"] is True
    assert spec["cap_drop"] == ["ALL"]
    assert any(each.startswith("/var/lib/bedplate:uid=10001,gid=10001") for each in spec["tmpfs"])
    # A file that is mounted by itself stays the one that it was.
    assert all((DEPLOY / volume.split(":")[0]).suffix == "" for volume in spec.get("volumes", ()))
    assert all(volume.endswith(":ro") for volume in spec.get("volumes", ()))
    path, port = re.search(r"127\.0\.0\.1:(\d+)(/\w+)", spec["healthcheck"]["test"][-1]).group(2, 1)
    assert path in pages.pages(None, bool)  # type: ignore[arg-type]
    assert OURS[name].environment["BEDPLATE_HEALTH_ADDRESS"].endswith(f":{port}")


def test_only_gateways_are_reached_from_outside_and_only_from_this_machine():
    published = {name: spec["ports"] for name, spec in SERVICES.items() if "ports" in spec}
    closed = {name for name, network in compose()["networks"].items() if (network or {}).get("internal")}

    assert set(published) == {name for name, each in OURS.items() if each.words[0] == "gateway"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    for name, spec in SERVICES.items():
        assert set(spec["networks"]) <= closed or name in published


@pytest.mark.parametrize("name", OURS)
def test_whom_a_container_calls_is_on_a_network_with_it(name):
    process = OURS[name]
    called = re.findall(
        r"dns:///([\w-]+):50051", f"{process.words} {process.environment.get('BEDPLATE_UPSTREAMS')}"
    )
    if process.words[0] == "serve":
        called += ["postgres", "valkey"]

    assert called
    for other in called:
        assert set(SERVICES[name]["networks"]) & set(SERVICES[other]["networks"])


def test_the_addresses_of_callers_are_counted_where_they_are_known():
    for process in OURS.values():
        counts = process.environment.get("BEDPLATE_ADDRESS_RATE") != "0"
        assert counts is (process.words[0] == "gateway")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder in which the page's commands were typed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on the path; it makes the page's authority")
    block = "".join(re.findall(r"^```sh\n(.*?)^```", DOCUMENTATION.read_text(), re.M | re.S))
    path = os.pathsep.join([str(BEDPLATE.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-euc", block],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_files_that_the_page_makes_are_those_that_are_mounted_and_can_be_used(made, monkeypatch):
    for name, process in OURS.items():
        for volume in SERVICES[name].get("volumes", ()):
            source, target, _ = volume.split(":")
            wanted = [v for v in process.environment.values() if v.startswith(f"{target}/")]
            assert wanted
            for path in wanted:
                assert (made / source / Path(path).name).is_file(), path
    for service in ("ledger", "rates"):
        monkeypatch.setenv("BEDPLATE_SETTINGS", str(made / "secrets" / service / "settings.toml"))
        settings = Settings.load()
        password = (made / "secrets" / "postgres-password").read_text()
        assert settings.database_url == f"postgresql://bedplate:{password}@postgres:5432/{service}"
        assert settings.valkey_url
        load_shared_key(made / "secrets" / service / "page.key")
    assert [key.tenant for key in list_keys(made / "secrets" / "keys" / "keys.json")] == ["acme"]
    assert (made / "first-key").read_text().startswith("bp_")
    assert [path for path in made.rglob("*") if path.stat().st_mode & 0o077] == []


def test_the_authority_that_the_page_makes_may_sign_certificates(made):
    authority = x509.load_pem_x509_certificate((made / "ca.crt").read_bytes())

    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_the_databases_are_those_that_the_settings_name():
    made = {SERVICES["postgres"]["environment"]["POSTGRES_DB"]}
    made |= set(re.findall(r"CREATE DATABASE (\w+);", compose()["configs"]["databases"]["content"]))

    assert made == {"ledger", "rates"}
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "bedplate"


def test_git_and_images_take_no_secret():
    secret = "deploy/secrets/keys/keys.json"

    done = subprocess.run(["git", "check-ignore", secret], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == secret
