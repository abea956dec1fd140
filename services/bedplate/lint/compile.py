"""Contracts from where they are kept: a folder, a commit, or a descriptor set."""

import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from bedplate.generate.protoc import TIMEOUT_S, include_folders
from bedplate.lint.contract import NOT_OWN, Contract

# Top folders of contracts that other distributions bring; `bedplate` too, but in bedplate's own project.
_OTHERS = (*NOT_OWN, "third_party")


class SourceError(Exception):
    """Contracts that cannot be found or compiled.

    Attributes:
        lines: What is wrong, each with its file and line where it has one.
        usage: Whether the command line is wrong, and not the contracts.
    """

    def __init__(self, *lines: str, usage: bool = False) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.usage = usage


def own_files(folder: Path) -> tuple[str, ...]:
    """The contracts of a folder that are its own, relative to it, in order."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.proto"))
    mine = [name for name in names if name.partition("/")[0] not in _OTHERS]
    theirs = [name for name in mine if not name.startswith("bedplate/")]
    return tuple(theirs or mine)


def from_folder(
    folder: Path, *, shown: str, names: Sequence[str] | None = None, python: str = ""
) -> Contract:
    """The contracts of a folder.

    Args:
        folder: What imports are relative to.
        shown: The folder's path as it is shown.
        names: The files to look at; None: all that are its own.
        python: The Python that has grpcio-tools; empty: this one.

    Raises:
        SourceError: There is none, or they do not compile.
    """
    own = own_files(folder) if names is None else tuple(names)
    if not own:
        raise SourceError(f"There is no contract in {shown or folder}.", usage=True)
    content = descriptors(folder, own, shown=shown, python=python)
    texts = {name: (folder / name).read_text(encoding="utf-8", errors="replace") for name in own}
    return Contract(content, own, folder=shown, texts=texts)


def from_commit(folder: Path, ref: str, *, shown: str, python: str = "") -> Contract | None:
    """The contracts of a folder as they are in a commit; None when the commit has none there.

    Raises:
        SourceError: There is no such commit, or its contracts do not compile.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        raise SourceError(f"{shown or folder} is in no git repository.", usage=True)
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise SourceError(
            f"git:{ref}: there is no such commit, branch or tag.", "Fetch it first.", usage=True
        )
    root, name = Path(top.decode().strip()), commit.decode().strip()
    path = folder.resolve().relative_to(root.resolve()).as_posix()
    if _git(root, "cat-file", "-e", f"{name}:{path}") is None:
        return None
    packed = _git(root, "archive", name, "--", path)
    if packed is None:
        raise SourceError(f"git:{ref}: {path} cannot be read.")
    with tempfile.TemporaryDirectory(prefix="bedplate-") as made:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(made, filter="data")
        old = Path(made) / path
        if not own_files(old):
            return None
        return from_folder(old, shown=shown, python=python)


def from_set(path: Path, like: Contract) -> Contract:
    """The contracts of a descriptor set: the files of its own packages, as `like` has them.

    Raises:
        SourceError: It is none.
    """
    try:
        content = FileDescriptorSet.FromString(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", usage=True) from error
    except DecodeError as error:
        raise SourceError(f"{path} is no descriptor set.", usage=True) from error
    tops = {name.partition("/")[0] for name in like.own}
    own = [proto.name for proto in content.file if proto.name.partition("/")[0] in tops]
    if not own:
        raise SourceError(f"{path} has no file of {', '.join(sorted(tops))}.", usage=True)
    return Contract(content, own)


def descriptors(
    folder: Path, names: Sequence[str], *, shown: str = "", python: str = ""
) -> FileDescriptorSet:
    """What the compiler makes of some files of a folder: them, all that they import, and their comments.

    Raises:
        SourceError: They do not compile, or the compiler is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="bedplate-") as made:
        result = Path(made) / "set.binpb"
        done = subprocess.run(  # noqa: S603
            [
                *(python or sys.executable, "-m", "grpc_tools.protoc"),
                *(f"-I{folder}", *(f"-I{include}" for include in include_folders())),
                *(f"--descriptor_set_out={result}", "--include_imports", "--include_source_info"),
                *names,
            ],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        if done.returncode and any("No module named" in line for line in lines):
            raise SourceError("What compiles contracts is not installed: pip install 'bedplate[dev]'")
        if done.returncode:
            # The compiler tells places by what it was given, or by what imports are relative to.
            plain = [line.removeprefix(f"{folder}/") for line in lines]
            told = [
                f"{shown}/{line}" if shown and line.partition(":")[0] in names else line
                for line in plain
                if ": warning: " not in line
            ]
            raise SourceError(*(told or [f"The compiler ended with {done.returncode} and said nothing."]))
        return FileDescriptorSet.FromString(result.read_bytes())


def _git(folder: Path, *words: str) -> bytes | None:
    """What git says; None when it refuses."""
    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise SourceError("git is not installed, and git:... was asked for.", usage=True) from error
    return None if done.returncode else done.stdout
