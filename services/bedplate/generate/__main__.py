"""`python -m bedplate.generate`: write everything that follows from the descriptors."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from bedplate.contract.policy import PolicyError
from bedplate.generate import openapi, python_clients, reason_reference, service_configs
from bedplate.generate.descriptors import Contracts, load


def generate(contracts: Contracts, out: Path, python_out: Path) -> None:
    """Write all generated files; the same contracts give the same bytes."""
    _write(python_out, python_clients.files(contracts))
    _write(out, service_configs.files(contracts))
    _write(out, reason_reference.files(contracts))
    _write(out, openapi.files(contracts))
    _write(python_out, openapi.docs_files(contracts))


def _write(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    """Read a descriptor set and write the generated files below a folder; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bedplate.generate", description=__doc__)
    parser.add_argument(
        "--descriptors", type=Path, required=True, help="descriptor set with imports and source information"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for all but Python")
    parser.add_argument("--python-out", type=Path, help="root of the Python packages; left out: OUT/python")
    parser.add_argument(
        "--package", action="append", default=[], help="only this package and those below it; may be repeated"
    )
    options = parser.parse_args(arguments)
    try:
        contracts = load(options.descriptors, tuple(options.package))
        generate(contracts, options.out, options.python_out or options.out / "python")
    except (OSError, ValueError, PolicyError) as error:
        print(f"generate: {error}", file=sys.stderr)  # noqa: T201 - it is a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
