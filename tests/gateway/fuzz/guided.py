"""`python -m tests.gateway.fuzz.guided TARGET SECONDS`: bytes that look for new branches (atheris)."""

import sys

import atheris

with atheris.instrument_imports(include=["bedplate.gateway"], enable_loader_override=False):
    from tests.gateway.fuzz.seeds import SEEDS
    from tests.gateway.fuzz.targets import TARGETS

import tempfile
from pathlib import Path


def main() -> None:
    """Run one target; a failing input is written to the folder `crashes` and ends the process."""
    name, seconds = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory(prefix="bedplate-fuzz-") as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(SEEDS[name]):
            (corpus / str(number)).write_bytes(seed)
        arguments = [
            sys.argv[0],
            f"-max_total_time={seconds}",
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-max_len=4096",
            "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
            str(corpus),
        ]
        atheris.Setup(arguments, TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
