"""Runs `bedplate ledger` against a server of its own, and looks at what the ledger then has."""

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from bedplate.client import CallError
from bedplate.clients.ledger import LedgerClient
from tests.faults.platform import BEDPLATE, Platform
from tests.services.ledger.journal import hledger

COMMODITIES = ("EUR", "$", "AAPL", '"green apples"', "")
TYPES = ("assets", "liabilities", "income", "expenses")


@dataclass(frozen=True)
class Importer:
    """The command, and a server which it calls."""

    grpc_address: str
    key: str
    environment: dict[str, str]

    @classmethod
    def of(cls, platform: Platform) -> "Importer":
        return cls(platform.grpc_address, platform.key, platform.environment)

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start `bedplate ledger ...`."""
        given = {"BEDPLATE_TARGET": self.grpc_address, "BEDPLATE_KEY": self.key, **environment}
        return subprocess.Popen(
            [str(BEDPLATE), "ledger", *map(str, arguments)],
            env={**self.environment, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        with self.start(*arguments, **environment) as process:
            out, errors = process.communicate()
        return process.returncode, out, errors

    def import_(self, file: Path, ledger: str = "main") -> str:
        """Import a journal, which must succeed; what the command says."""
        code, out, errors = self.run("import", file, "--ledger", ledger)
        assert code == 0, errors
        return out

    def balances(self, ledger: str = "main") -> hledger.Balances:
        """What `bedplate ledger balance --csv` prints."""
        code, out, errors = self.run("balance", "--ledger", ledger, "--csv")
        assert code == 0, errors
        return hledger.parse(out)

    def client(self) -> LedgerClient:
        return LedgerClient(self.grpc_address, key=self.key)

    def posted(self, ledger: str = "main") -> int:
        """How many transactions the ledger has; its trial balance is zero."""
        with self.client() as client:
            trial = client.get_trial_balance(ledger_id=ledger)
        assert trial.balanced
        return trial.sequence

    def wait_for(self, process: "subprocess.Popen[str]", count: int, ledger: str = "main") -> None:
        """Ask until the ledger has so many transactions, or the process has ended."""
        with self.client() as client:
            while process.poll() is None:
                try:
                    if client.get_trial_balance(ledger_id=ledger).sequence >= count:
                        return
                except CallError as error:
                    if error.reason != "LEDGER_NOT_FOUND":
                        raise


def generate(path: Path, count: int, seed: int) -> Path:
    """Write a journal of so many transactions, each of which moves something."""
    chosen = random.Random(seed)
    lines = ["commodity $1,000.00"]
    for number in range(count):
        day = date(2015, 1, 1) + timedelta(days=number // 12)
        lines.append(
            f"{day} {chosen.choice(('', '* ', '! '))}({number}) payee {number % 900}  ; tag:{number}"
        )
        lines += [f"    {posting}" for posting in _postings(chosen)]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _postings(chosen: random.Random) -> Sequence[str]:
    first, *others, last = (_account(chosen) for _ in range(chosen.randint(2, 4)))
    if chosen.random() < 0.2:
        return [f"{first}    {chosen.randint(1, 90)} AAPL @ ${chosen.randint(1, 99999) / 100:,.2f}", last]
    amounts = [_amount(chosen) for _ in (first, *others)]
    return [f"{account}    {amount}" for account, amount in zip((first, *others), amounts, strict=True)] + [
        f"{last}:other side"
    ]


def _account(chosen: random.Random) -> str:
    return f"{chosen.choice(TYPES)}:{chosen.choice(('bank', 'büro', 'at home'))}:{chosen.randrange(12)}"


def _amount(chosen: random.Random) -> str:
    commodity = chosen.choice(COMMODITIES)
    number = chosen.choice((-1, 1)) * chosen.randint(1, 1_000_000) / 100
    return f"${number:,.2f}" if commodity == "$" else f"{number:.2f} {commodity}".rstrip()
