"""A stranger's package, generated once."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bedplate.generate.__main__ import main
from tests.generate import contracts

# What protoc writes, as far as it matters here.
_PB2 = """
from google.protobuf import descriptor_pool
from google.protobuf.internal import builder
{imports}
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({serialized!r})
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, {module!r}, globals())
"""


def module_of(file: str) -> str:
    """The module of a .proto file."""
    return file.removesuffix(".proto").replace("/", ".") + "_pb2"


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stranger's descriptor set."""
    folder = tmp_path_factory.mktemp("protos")
    contracts.write(folder)
    out = tmp_path_factory.mktemp("set") / "acme.binpb"
    contracts.compile_set(folder, out)
    return out


@pytest.fixture(scope="session")
def generated(descriptors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything was generated to."""
    out = tmp_path_factory.mktemp("generated")
    assert main(["--descriptors", str(descriptors), "--out", str(out), "--package", "acme"]) == 0
    return out


@pytest.fixture(scope="session")
def package(descriptors: Path, generated: Path) -> Iterator[Path]:
    """The root of the stranger's Python package, which can be imported."""
    root = generated / "python"
    for proto in FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        if proto.package.startswith("acme."):
            path = root / proto.name.replace(".proto", "_pb2.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            imports = "\n".join(f"import {module_of(name)}" for name in proto.dependency)
            proto.ClearField("source_code_info")
            path.write_text(
                _PB2.format(
                    imports=imports, serialized=proto.SerializeToString(), module=module_of(proto.name)
                )
            )
    sys.path.insert(0, str(root))
    yield root
    sys.path.remove(str(root))
