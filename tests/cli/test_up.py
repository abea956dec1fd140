"""`bedplate up` and `bedplate serve`: how they begin, what they refuse, how they end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request

import pytest

from bedplate.auth.keys import KeyFile, list_keys
from bedplate.cli.scopes import known_scopes
from tests.cli.conftest import run_in
from tests.faults.platform import BEDPLATE, Platform, free_port

FREE = {"BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0", "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0"}


def start(folder, *arguments, env=FREE):
    """Start the command and read its lines until it takes calls."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **env}
    process = subprocess.Popen(
        [str(BEDPLATE), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line or "gRPC on" in line:
            break
    return process, "".join(lines)


@pytest.fixture
def stop():
    """Ends processes that a test began and that did not end."""
    begun = []
    yield begun.append
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_ends_with_0_on_a_signal(tmp_path, stop, number):
    process, _ = start(tmp_path, "up")
    stop(process)

    process.send_signal(number)

    assert process.wait(30) == 0
    assert process.stderr.read() == ""


def test_up_goes_on_where_its_terminal_is_closed_and_nohup_holds(tmp_path, stop):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    process, printed = start(tmp_path, "up")
    signal.signal(signal.SIGHUP, before)
    stop(process)

    process.send_signal(signal.SIGHUP)

    http = next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("HTTP"))
    with urllib.request.urlopen(f"{http}/readyz") as answer:
        assert answer.status == 200


def test_up_makes_a_private_key_prints_it_and_takes_it(tmp_path, stop):
    process, printed = start(tmp_path, "up")
    stop(process)

    data = tmp_path / ".bedplate"
    key = (data / "dev-key").read_text().strip()
    http = next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("HTTP"))
    request = urllib.request.Request(f"{http}/v1/ledgers", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert key in printed
    assert KeyFile(data / "keys.json").authenticate(key).scopes == known_scopes()
    modes = {name: stat.S_IMODE((data / name).stat().st_mode) for name in ("dev-key", "keys.json")}
    assert modes == {"dev-key": 0o600, "keys.json": 0o600}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_the_console_is_for_people_and_the_log_is_json_lines_in_the_data_folder(tmp_path, stop):
    process, printed = start(tmp_path, "up")
    stop(process)
    process.terminate()
    process.wait(30)

    lines = (tmp_path / ".bedplate" / "bedplate.log").read_text().splitlines()
    assert ".bedplate/bedplate.log" in printed
    assert not any(line.startswith("{") for line in printed.splitlines())
    assert all(json.loads(line)["event"] for line in lines)


def test_a_second_start_keeps_the_key_and_gives_it_the_scopes_that_came_since(tmp_path, stop):
    from bedplate.auth.keys import set_scopes

    first, _ = start(tmp_path, "up")
    stop(first)
    first.terminate()
    first.wait(30)
    key = (tmp_path / ".bedplate" / "dev-key").read_text()
    keys = tmp_path / ".bedplate" / "keys.json"
    set_scopes(keys, "dev", ["ledger.read"])

    second, printed = start(tmp_path, "up")
    stop(second)

    assert (tmp_path / ".bedplate" / "dev-key").read_text() == key
    assert key.strip() in printed
    assert list_keys(keys)[0].scopes == known_scopes()


def test_a_lost_development_key_is_made_anew(tmp_path, stop):
    first, _ = start(tmp_path, "up")
    stop(first)
    first.terminate()
    first.wait(30)
    file = tmp_path / ".bedplate" / "dev-key"
    lost = file.read_text()
    file.unlink()

    second, printed = start(tmp_path, "up")
    stop(second)

    assert file.read_text() != lost
    assert file.read_text().strip() in printed
    assert [key.id for key in list_keys(tmp_path / ".bedplate" / "keys.json")] == ["dev"]


@pytest.mark.parametrize("door", ["HTTP", "GRPC"])
def test_a_port_in_use_is_named_with_the_setting_that_changes_it(tmp_path, door):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        done = run_in(tmp_path, "up", env={**FREE, f"BEDPLATE_{door}_ADDRESS": address})

    assert done.returncode == 4
    assert address in done.stderr
    assert f"BEDPLATE_{door}_ADDRESS" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_data_folder_in_use_names_the_process(tmp_path, stop):
    process, _ = start(tmp_path, "up")
    stop(process)

    done = run_in(tmp_path, "up", env=FREE)

    assert done.returncode == 4
    assert f"in use by process {process.pid}" in done.stderr


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"BEDPLATE_HTTP_ADRESS": "x"}, "Did you mean BEDPLATE_HTTP_ADDRESS?"),
        ({"BEDPLATE_HTTP_ADDRESS": "8080"}, "BEDPLATE_HTTP_ADDRESS: write it as host:port"),
        ({"BEDPLATE_DRAIN_WAIT_S": "long"}, "BEDPLATE_DRAIN_WAIT_S"),
        ({"BEDPLATE_HTTP_ADDRESS": "0.0.0.0:0"}, "BEDPLATE_TLS_CERTIFICATE"),
        ({"BEDPLATE_PRODUCTION": "true"}, "BEDPLATE_TLS_CERTIFICATE"),
        ({"BEDPLATE_SETTINGS": "/nowhere.toml"}, "/nowhere.toml, which cannot be read"),
        ({"BEDPLATE_DATABASE_URL": "nonsense"}, "BEDPLATE_DATABASE_URL"),
    ],
)
def test_a_wrong_setting_ends_in_words_that_name_it(tmp_path, env, says):
    done = run_in(tmp_path, "up", env=FREE | env)

    assert done.returncode == 3, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_does_not_answer_ends_in_words_without_its_password(tmp_path):
    url = f"postgresql://user:s3cret@127.0.0.1:{free_port()}/db"

    done = run_in(tmp_path, "up", env=FREE | {"BEDPLATE_DATABASE_URL": url})

    assert done.returncode == 5, done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exposed_server_does_not_take_the_development_key(tmp_path, stop):
    process, _ = start(tmp_path, "up")
    stop(process)
    process.terminate()
    process.wait(30)

    done = run_in(
        tmp_path, "up", env={"BEDPLATE_HTTP_ADDRESS": "0.0.0.0:0", "BEDPLATE_TLS_ELSEWHERE": "true"}
    )

    assert done.returncode == 3
    assert "bedplate key revoke dev" in done.stderr


def test_serve_runs_what_it_is_told_and_finds_the_other_over_grpc(tmp_path, stop):
    keys = {"BEDPLATE_KEYS_FILE": str(tmp_path / "keys.json")}
    made = run_in(
        tmp_path, "key", "create", "--tenant", "t", "--scope", "rates.read", "--scope", "rates.write",
        "--scope", "ledger.read", "--scope", "ledger.write", env=keys,
    )  # fmt: skip
    rates, printed = start(tmp_path, "serve", "rates", env=FREE | keys | {"BEDPLATE_DATA_DIR": "r"})
    stop(rates)
    upstream = printed.split()[-1]
    env = FREE | keys | {"BEDPLATE_DATA_DIR": "l", "BEDPLATE_UPSTREAMS": f"rates={upstream}"}
    ledger, printed_by_ledger = start(tmp_path, "serve", "ledger", env=env)
    stop(ledger)
    key = {"BEDPLATE_KEY": made.stdout.strip()}

    def call(target, method, request):
        done = run_in(tmp_path, "call", method, json.dumps(request), "--target", target, env=key)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    rate = {"base": "EUR", "quote": "USD", "date": "2026-11-02", "value": "2"}
    call(upstream, "ImportRates", {"source": "ecb", "rates": [rate]})
    target = printed_by_ledger.split()[-1]
    call(target, "CreateLedger", {"ledgerId": "books"})
    account = {"accountId": "cash", "type": "ACCOUNT_TYPE_ASSET", "currency": {"code": "EUR", "scale": 2}}
    call(target, "CreateAccount", {"ledgerId": "books", "account": account})
    asked = {"ledgerId": "books", "accountId": "cash", "convertTo": {"currency": {"code": "USD", "scale": 2}}}

    balance = call(target, "GetBalance", asked)

    assert balance["converted"]["rate"] == "2"
    assert printed.startswith("rates: ")


def test_serving_an_unknown_service_names_those_that_there_are(run):
    done = run("serve", "legder")

    assert done.returncode == 2
    assert "There are: ledger, rates." in done.stderr


def test_the_command_says_what_to_install_where_only_the_base_distribution_is():
    script = "import sys\nsys.modules['typer'] = None\nimport bedplate.cli.main"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "pip install 'bedplate[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_drained_platform_of_the_other_tests_ends_with_0(tmp_path):
    with Platform(tmp_path / "data") as platform:
        assert platform.stop() == 0
