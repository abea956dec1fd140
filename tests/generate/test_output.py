"""What the generator writes beside clients, that it writes the same twice, and what it says of bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bedplate.generate.__main__ import main
from bedplate.generate.descriptors import load
from bedplate.generate.reason_reference import refusals
from bedplate.ledger.v1 import ledger_pb2

ROOT = Path(__file__).parent.parent.parent
OURS = ROOT / "generated" / "descriptors" / "bedplate.binpb"


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_contracts_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "bedplate.generate", "--descriptors", OURS, "--out", out],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            timeout=60,
        )
        written.append(tree(out))

    assert written[0] == written[1]
    assert "python/bedplate/clients/ledger.py" in written[0]


def test_the_config_of_a_strangers_service_is_written_for_all_languages(generated: Path) -> None:
    folder = generated / "service_config"

    for_others = json.loads((folder / "acme.greeter.v1.GreeterService.json").read_text())
    for_core = json.loads((folder / "acme.greeter.v1.GreeterService.c-core.json").read_text())

    assert {method["timeout"] for method in for_others["methodConfig"]} == {"3s"}
    assert "timeout" not in json.dumps(for_core)


def test_a_strangers_reasons_are_listed_beside_the_platforms(generated: Path) -> None:
    text = (generated / "reasons.md").read_text()

    assert "| `DRAINING` | bedplate | UNAVAILABLE | yes |" in text
    assert "| `NAME_UNKNOWN` | acme.greeter.v1 | NOT_FOUND | no | Say who. |" in text
    assert "- `Greet`: `NAME_UNKNOWN`" in text
    assert "- `Ping`: only those of every method" in text


def test_reasons_that_a_comment_takes_from_another_method_are_listed_too() -> None:
    from bedplate.contract.reasons import of_file

    contracts = load(OURS, ("bedplate.rates.v1",))
    [service] = contracts.services
    reasons = of_file(service.file)

    found = refusals(service.methods_by_name["Convert"], reasons, contracts)

    assert found[0] == "AMOUNT_INVALID"
    assert set(refusals(service.methods_by_name["GetRate"], reasons, contracts)) < set(found)


def test_comments_are_found_by_full_name() -> None:
    contracts = load(OURS, ("bedplate.ledger.v1",))

    assert contracts.comments["bedplate.ledger.v1.LedgerService"].startswith("Keeps the books of a tenant.")
    assert contracts.comments["bedplate.ledger.v1.GetLedgerRequest.ledger_id"] == "The ledger."
    assert {file.name for file in contracts.files} == {ledger_pb2.DESCRIPTOR.name}


@pytest.mark.parametrize(
    ("content", "package", "message"),
    [
        (b"\xff\xff no set", "acme", "is no descriptor set"),
        (None, "acme", "No such file"),
        (OURS.read_bytes(), "acme", "holds no file of acme"),
        (OURS.read_bytes(), "bedplat", "holds no file of bedplat"),
        (b"", "", "holds no file of any package"),
    ],
)
def test_bad_input_is_told_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    package: str,
    message: str,
) -> None:
    path = tmp_path / "some.binpb"
    if content is not None:
        path.write_bytes(content)

    arguments = ["--descriptors", str(path), "--out", str(tmp_path / "out")]
    code = main([*arguments, "--package", package] if package else arguments)

    printed = capsys.readouterr().err
    assert code == 1
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()
