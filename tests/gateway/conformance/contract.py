"""The contract of the conformance suite, compiled when the module is imported."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, field_behavior_pb2, httpbody_pb2  # noqa: F401 - for the contract's imports
from google.protobuf import (  # noqa: F401 - the same
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.v1 import policy_pb2  # noqa: F401
from buf.validate import validate_pb2  # noqa: F401

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
PACKAGE = "conformance.v1"
NAMES = ("values", "older", "echo", "lenient", "routes", "shelves", "manners")
SERVICES = ("EchoService", "LenientService", "RouteService", "ShelfService", "MannersService")

# buf is the compiler that the environment has.
WORKSPACE = (
    '{"version":"v2","modules":[{"path":"tests/gateway/conformance/protos"},'
    '{"path":"protos","excludes":["protos/third_party"]},{"path":"protos/third_party"}]}'
)


@cache
def compiled() -> bytes:
    """The contract and all that it imports, as a serialised FileDescriptorSet."""
    buf = Path(sys.executable).parent / "buf"
    paths = [f"--path=tests/gateway/conformance/protos/conformance/v1/{name}.proto" for name in NAMES]
    return subprocess.run(
        [buf, "build", "--config", WORKSPACE, *paths, "-o", "-#format=binpb"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout


def _add() -> None:
    files = {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(compiled()).file}
    pool = descriptor_pool.Default()
    for name in NAMES:
        pool.AddSerializedFile(files[f"conformance/v1/{name}.proto"].SerializeToString())


_add()


def service(name: str) -> ServiceDescriptor:
    """One of SERVICES."""
    return descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{name}")


def message(name: str) -> Any:
    """The class of a message by its full name, or by its name in the contract."""
    pool = descriptor_pool.Default()
    full = name if "." in name else f"{PACKAGE}.{name}"
    return GetMessageClass(pool.FindMessageTypeByName(full))


Seen = message("Seen")
