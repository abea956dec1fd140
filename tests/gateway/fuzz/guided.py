"""`python -m tests.gateway.fuzz.guided TARGET SECONDS FOLDER`: bytes that look for new branches (atheris)."""

import sys

import atheris

with atheris.instrument_imports(include=["bedplate.gateway"], enable_loader_override=False):
    from tests.gateway.fuzz.seeds import SEEDS
    from tests.gateway.fuzz.targets import TARGETS

from pathlib import Path


def main() -> None:
    """Run one target; what it learns and an input that fails are left in the folder: it ends the process."""
    name, seconds, folder = sys.argv[1:4]
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
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
