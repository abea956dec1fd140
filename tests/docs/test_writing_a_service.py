"""The service of docs/writing-a-service.md, put together from its page and tested by the page's own test."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bedplate.testing.serve import KEY, serve

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "writing-a-service.md").read_text()
BUF = Path(sys.executable).parent / "buf"

# What `make generate` writes, as far as it matters here.
PB2 = """
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.internal import builder
import bedplate.v1.policy_pb2, buf.validate.validate_pb2
import google.api.annotations_pb2, google.api.field_behavior_pb2
_set = FileDescriptorSet.FromString({image!r})
_file = next(file for file in _set.file if file.package == "bedplate.greeting.v1")
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(_file.SerializeToString())
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, "bedplate.greeting.v1.greeting_pb2", globals())
"""


def block(head: str) -> str:
    found = re.search(rf"^```{re.escape(head)}\n(.*?)^```", PAGE, re.M | re.S)
    assert found, head
    return found[1]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, where its text says that they go."""
    root = tmp_path_factory.mktemp("greeting")
    protos = root / "protos"
    contract = protos / "bedplate" / "greeting" / "v1"
    contract.mkdir(parents=True)
    (contract / "greeting.proto").write_text(block("proto"))
    (protos / "bedplate" / "v1").symlink_to(ROOT / "protos" / "bedplate" / "v1")
    (protos / "third_party").symlink_to(ROOT / "protos" / "third_party")
    (root / "buf.yaml").write_text((ROOT / "buf.yaml").read_text())
    image = root / "image.binpb"
    for arguments in (["build", "-o", str(image)], ["lint", "--path", "protos/bedplate/greeting"]):
        done = subprocess.run([str(BUF), *arguments], cwd=root, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    pb2 = root / "bedplate" / "greeting" / "v1" / "greeting_pb2.py"
    pb2.parent.mkdir(parents=True)
    pb2.write_text(PB2.format(image=image.read_bytes()))
    service = root / "bedplate" / "services" / "greeting"
    service.mkdir(parents=True)
    for name in ("domain.py", "handlers.py", "service.py"):
        (service / name).write_text(block(f"python {name}"))
    (service / "__init__.py").write_text("")
    (root / "test_handlers.py").write_text(block("python test_handlers.py"))
    (root / "main.py").write_text(block("python main.py"))
    # `bedplate.services` is no namespace: a service in it is in this repository.
    (root / "conftest.py").write_text(
        f"import bedplate.services\nbedplate.services.__path__.append({str(service.parent)!r})\n"
    )
    return root


def run_in(sources: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(sources), "PYTHONPATH": str(sources), **env}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=sources,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_service_of_the_page_passes_the_test_of_the_page(sources):
    done = run_in(
        sources, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "test_handlers.py"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_page_is_formatted_as_the_code_is(sources):
    ruff = Path(sys.executable).parent / "ruff"
    names = ["bedplate/services/greeting", "test_handlers.py", "main.py"]
    config = ["--config", str(ROOT / "pyproject.toml")]

    formatted = subprocess.run(
        [ruff, "format", "--check", *config, *names], cwd=sources, capture_output=True, text=True
    )

    assert formatted.returncode == 0, formatted.stdout


def test_what_the_page_names_is_there():
    from bedplate.clients import ledger

    assert KEY
    assert callable(serve)
    assert hasattr(ledger, "AsyncLedgerClient")
