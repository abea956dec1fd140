"""How many cores the process may use, which in a container are not those of the machine."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores(*, cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """Cores that the process may run on, and no more than its share of time is worth; at least 1.

    The share is `cpu.max` of its control group and of those around it (version 2):
    what Kubernetes calls a limit, and systemd a quota. `os.cpu_count` knows of
    neither, and on a machine of 64 cores would have a pod of 2 open 128 connections.

    Args:
        cgroups: Where control groups are mounted.
        own: The file that tells the process's own group.
    """
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        found = os.cpu_count() or 1
    shares = [_share(folder / "cpu.max") for folder in _groups(cgroups, own)]
    return max(1, min([found, *(math.ceil(share) for share in shares if share is not None)]))


def _groups(cgroups: Path, own: Path) -> list[Path]:
    """The process's group and those around it. A container sees its own group as the outermost."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return [cgroups]
    path = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    group = cgroups / path
    return [group, *(each for each in group.parents if each.is_relative_to(cgroups))]


def _share(file: Path) -> float | None:
    """How many cores a group's time is worth; None: as many as there are."""
    try:
        quota, period = file.read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or `max`
        return None
