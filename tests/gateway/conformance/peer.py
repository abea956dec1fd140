"""grpc-gateway with the contract of the lenient echoes: what lenience is measured by."""

from pathlib import Path

from tests.built import Programs
from tests.gateway.conformance.contract import HERE, ROOT, WORKSPACE

_CONTRACTS = "tests/gateway/conformance/protos/conformance/v1"
_PROGRAMS = Programs(
    source=HERE / "go",
    build=ROOT / "build" / "conformance",
    packages={"conformance": "."},
    workspace=WORKSPACE,
    protos=(
        f"{_CONTRACTS}/values.proto",
        f"{_CONTRACTS}/lenient.proto",
        "protos/bedplate/v1/policy.proto",
    ),
    go_packages={
        "conformance/v1/values.proto": "conformance/gen/conformance/v1;conformancev1",
        "conformance/v1/lenient.proto": "conformance/gen/conformance/v1;conformancev1",
        "bedplate/v1/policy.proto": "conformance/gen/bedplate/v1;bedplatev1",
    },
)


def program() -> Path:
    """The program.

    Raises:
        Missing: There is no Go, or it could not be built.
    """
    return _PROGRAMS.path("conformance")
