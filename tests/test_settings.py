"""Settings: where they come from, and what is said about wrong ones."""

import os

import pytest
from pydantic import ValidationError

from bedplate.settings import Address, Settings, SettingsError, parse_address


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BEDPLATE_")]:
        monkeypatch.delenv(name)


def refused(**values):
    with pytest.raises(SettingsError) as caught:
        Settings.load(**values)
    return str(caught.value)


def test_arguments_win_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(
        'stop_grace_s = 1\ndrain_wait_s = 1\ndrain_refuse_s = 3\n[upstreams]\nrates = "rates:50051"\n'
    )
    monkeypatch.setenv("BEDPLATE_SETTINGS", str(file))
    monkeypatch.setenv("BEDPLATE_STOP_GRACE_S", "2")
    monkeypatch.setenv("BEDPLATE_DRAIN_WAIT_S", "2")

    settings = Settings.load(drain_wait_s=5)

    assert (settings.drain_wait_s, settings.stop_grace_s, settings.drain_refuse_s) == (5, 2, 3)
    assert settings.upstreams == {"rates": "rates:50051"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "BEDPLATE_HTTP_ADRESS",
            "x",
            "There is no setting BEDPLATE_HTTP_ADRESS. Did you mean BEDPLATE_HTTP_ADDRESS?",
        ),
        ("BEDPLATE_ZZZ", "x", "There is no setting BEDPLATE_ZZZ. docs/configuration.md lists them."),
        ("BEDPLATE_HTTP_ADDRESS", "8080", "BEDPLATE_HTTP_ADDRESS: write it as host:port"),
        ("BEDPLATE_STOP_GRACE_S", "301", "BEDPLATE_STOP_GRACE_S: "),
        ("BEDPLATE_PRODUCTION", "maybe", "BEDPLATE_PRODUCTION: "),
        ("BEDPLATE_UPSTREAMS", "rates", "BEDPLATE_UPSTREAMS: write it as name=target"),
        ("BEDPLATE_UPSTREAMS", "rates=a:1,rates=b:1", "BEDPLATE_UPSTREAMS: a service stands there twice"),
        ("BEDPLATE_UPSTREAMS", '{"rates": ', "BEDPLATE_UPSTREAMS: write it as name=target"),
        ("BEDPLATE_UPSTREAMS", '{"rates": 5}', "BEDPLATE_UPSTREAMS: "),
        ("BEDPLATE_TLS_KEY", "/nowhere.pem", "BEDPLATE_TLS_KEY: there is no file /nowhere.pem"),
        ("BEDPLATE_DATABASE_URL", "mysql://u:s3cret@h/d", "BEDPLATE_DATABASE_URL: write it as postgresql://"),
        ("BEDPLATE_VALKEY_URL", "http://u:s3cret@h", "BEDPLATE_VALKEY_URL: write it as valkey://"),
        ("BEDPLATE_DATABASE_URL", "sqlite:///:memory:", "BEDPLATE_DATABASE_URL: write it as"),
        ("BEDPLATE_SETTINGS", "/nowhere.toml", "BEDPLATE_SETTINGS names /nowhere.toml, which cannot be read"),
    ],
)
def test_a_wrong_variable_is_named_with_what_to_write(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)

    said = refused()

    assert said.startswith(says)
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "text",
    [
        "rates=dns:///r:50051,ledger=l:1",
        " rates = dns:///r:50051 , ledger=l:1,",
        '{"rates": "dns:///r:50051", "ledger": "l:1"}',
    ],
)
def test_upstreams_are_a_list_of_pairs_or_a_json_object(monkeypatch, text):
    monkeypatch.setenv("BEDPLATE_UPSTREAMS", text)

    assert Settings.load().upstreams == {"rates": "dns:///r:50051", "ledger": "l:1"}


def test_several_mistakes_are_all_named(monkeypatch):
    monkeypatch.setenv("BEDPLATE_HTTP_ADDRESS", "8080")
    monkeypatch.setenv("BEDPLATE_DATABASE_POOL", "-1")

    assert len(refused().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http_adress = 'x'", "there is no setting http_adress. Did you mean http_address?"),
        ("http_address = ", "is not TOML"),
    ],
)
def test_a_wrong_file_is_named(monkeypatch, tmp_path, text, says):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    monkeypatch.setenv("BEDPLATE_SETTINGS", str(file))

    said = refused()

    assert str(file) in said
    assert says in said


@pytest.mark.parametrize(
    "name",
    [
        "BEDPLATE_SERVICE_HOST",
        "BEDPLATE_SERVICE_PORT",
        "BEDPLATE_SERVICE_PORT_HTTP",
        "BEDPLATE_PORT",
        "BEDPLATE_PORT_8080_TCP",
        "BEDPLATE_PORT_8080_TCP_ADDR",
        "BEDPLATE_LEDGER_PORT_50051_TCP_PROTO",
    ],
)
def test_variables_that_kubernetes_sets_for_a_service_called_bedplate_are_no_mistake(monkeypatch, name):
    monkeypatch.setenv(name, "tcp://10.0.0.1:8080")

    Settings.load()


def test_certificate_and_key_go_together(tmp_path):
    pem = tmp_path / "cert.pem"
    pem.write_text("")

    assert "set both or neither" in refused(tls_certificate=pem)
    assert "BEDPLATE_TLS_CLIENT_CA needs" in refused(tls_client_ca=pem)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_an_address_is_read_and_written_the_same(text, address):
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "host",
        "host:",
        "host:x",
        "host:65536",
        "::1:80",
        "[::1]",
        "[host]:1",
        "a b:1",
        "u@h:1",
        "h:-1",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"host:port|65535"):
        parse_address(text)


@pytest.mark.parametrize(
    ("http", "grpc", "production", "exposed"),
    [
        ("127.0.0.1:1", "[::1]:1", False, False),
        ("localhost:1", "127.9.9.9:1", False, False),
        ("0.0.0.0:1", "127.0.0.1:1", False, True),
        ("127.0.0.1:1", "[::]:1", False, True),
        ("127.0.0.1:1", "example.org:1", False, True),
        ("127.0.0.1:1", "127.0.0.1:1", True, True),
    ],
)
def test_a_process_is_exposed_when_one_door_is_or_in_production(http, grpc, production, exposed):
    settings = Settings(http_address=http, grpc_address=grpc, production=production)

    assert settings.exposed is exposed


def test_an_exposed_process_without_a_certificate_is_refused_unless_it_is_meant():
    with pytest.raises(SettingsError, match="BEDPLATE_TLS_ELSEWHERE=true"):
        Settings(http_address="0.0.0.0:1").refuse_plaintext()

    Settings(http_address="0.0.0.0:1", tls_elsewhere=True).refuse_plaintext()
    Settings().refuse_plaintext()


def test_secrets_are_not_in_the_text_of_settings():
    settings = Settings(database_url="postgresql://u:s3cret@h/d", upstream_key="s3cret")

    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


def test_an_unknown_argument_is_a_bug():
    with pytest.raises(ValidationError):
        Settings(nonsense=1)
