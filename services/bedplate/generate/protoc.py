"""Runs protoc: messages, stubs and types in Python, and the descriptor set that all else is made from."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 300.0
_PLUGINS = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
# Modules whose distributions bring the .proto files beside them.
_WITH_PROTOS = ("bedplate.v1.policy_pb2", "buf.validate.validate_pb2", "google.api.annotations_pb2")
_WARNING = re.compile(r": warning: ")


class GenerateError(Exception):
    """Contracts that nothing can be generated from.

    Attributes:
        lines: What is wrong, each with its file and line where it has one.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiler and its plugins, in a Python environment.

    Attributes:
        python: The environment's interpreter, which has `grpc_tools`.
        plugins: Paths of the plugins.
    """

    python: Path
    plugins: tuple[Path, ...]


def find_tools(python: str = "") -> Tools:
    """The tools of an environment, by its interpreter; this one's when it is left out.

    Raises:
        GenerateError: Something is not installed there.
    """
    interpreter = Path(python or sys.executable)
    # By its folder and not by the path: a virtual environment need not be activated.
    plugins = [interpreter.parent / name for name in _PLUGINS]
    if shutil.which(interpreter) is None:
        raise GenerateError(f"{interpreter} is no Python interpreter.")
    known = subprocess.run(  # noqa: S603
        [interpreter, "-c", "import grpc_tools.protoc"], capture_output=True, timeout=TIMEOUT_S
    )
    if known.returncode or not all(plugin.is_file() for plugin in plugins):
        what = "pip install grpcio-tools mypy-protobuf" if python else "pip install 'bedplate[dev]'"
        raise GenerateError(f"{interpreter} has not what compiles contracts. Install it: {what}")
    return Tools(interpreter, tuple(plugins))


def include_folders() -> tuple[Path, ...]:
    """Where the contracts are that every project may import: bedplate's, protovalidate's and google's."""
    files = (importlib.import_module(name).__file__ for name in _WITH_PROTOS)
    # Three up: the module's file, its version, its package.
    return tuple(dict.fromkeys(Path(file).parents[2] for file in files if file))


def compile_protos(
    tools: Tools, names: Iterable[str], *, root: Path, protos: Path, python: Path, descriptors: Path
) -> Sequence[str]:
    """Compile the files of a folder.

    Args:
        tools: What compiles.
        names: The files, relative to `protos`.
        root: The folder to which paths in messages are relative.
        protos: Folder of the files.
        python: Where the Python modules go.
        descriptors: The file of the descriptor set.

    Returns:
        Warnings, a line each.

    Raises:
        GenerateError: The compiler refused; a line for each mistake, with file and line.
    """
    mypy, mypy_grpc = tools.plugins
    done = subprocess.run(  # noqa: S603
        [
            *(tools.python, "-m", "grpc_tools.protoc"),
            f"-I{protos.relative_to(root)}",
            *(f"-I{folder}" for folder in include_folders()),
            *(f"--plugin=protoc-gen-mypy={mypy}", f"--plugin=protoc-gen-mypy_grpc={mypy_grpc}"),
            *(f"--python_out={python}", f"--grpc_python_out={python}"),
            *(f"--mypy_out=quiet:{python}", f"--mypy_grpc_out=quiet:{python}"),
            *(f"--descriptor_set_out={descriptors}", "--include_imports", "--include_source_info"),
            *names,
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        raise GenerateError(*(lines or [f"The compiler ended with {done.returncode} and said nothing."]))
    return [line for line in lines if _WARNING.search(line)]
