"""How many cores there are for a process: the machine's, its own, and its share of time."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from bedplate.data import Database
from bedplate.data.cores import cores
from bedplate.server.threads import THREADS_PER_CORE, Threads
from tests.data.signals import until

MANY = 64


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of many cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(MANY)))


def groups(folder: Path, own: str = "0::/\n", **limits: str) -> int:
    """The cores of a process in a group, where groups have these limits."""
    (folder / "own").write_text(own)
    for path, limit in limits.items():
        group = folder / "cgroup" / path.strip(".").replace("__", "/")
        group.mkdir(parents=True, exist_ok=True)
        (group / "cpu.max").write_text(limit)
    return cores(cgroups=folder / "cgroup", own=folder / "own")


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("max 100000\n", MANY),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("100000000 100000\n", MANY),
        ("", MANY),
        ("200000 0\n", MANY),
        ("words and more\n", MANY),
    ],
)
def test_a_container_has_the_cores_that_its_limit_is_worth(tmp_path, limit, found):
    assert groups(tmp_path, **{".": limit}) == found


def test_the_narrowest_limit_of_the_groups_around_counts(tmp_path):
    found = groups(
        tmp_path,
        "0::/system.slice/bedplate.service\n",
        **{
            ".": "max 100000",
            "system.slice": "300000 100000",
            "system.slice__bedplate.service": "max 100000",
        },
    )

    assert found == 3


def test_a_group_that_is_told_and_not_there_limits_nothing(tmp_path):
    assert groups(tmp_path, "0::/somewhere/else\n") == MANY


def test_where_nobody_tells_the_group_its_outermost_one_counts(tmp_path):
    (tmp_path / "cpu.max").write_text("400000 100000\n")

    assert cores(cgroups=tmp_path, own=tmp_path / "nowhere") == 4


def test_groups_of_the_first_version_limit_nothing(tmp_path):
    assert groups(tmp_path, "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n") == MANY


def test_cores_that_the_process_may_not_run_on_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3})

    assert groups(tmp_path, **{".": "max 100000"}) == 2


def test_where_there_is_no_affinity_the_machine_counts(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)

    assert groups(tmp_path, **{".": "max 100000"}) == 1


async def test_a_database_has_two_connections_for_each_of_them(monkeypatch, postgresql_url):
    monkeypatch.setattr("bedplate.data.engine.cores", lambda: 2)
    database = Database.open(postgresql_url)
    release = threading.Event()

    units = [asyncio.ensure_future(database.read(lambda _: release.wait(20))) for _ in range(5)]
    await until(lambda: database.running == 4 and database.waiting == 1)

    release.set()
    assert all(await asyncio.gather(*units))
    await database.close()


async def test_functions_that_block_have_two_threads_for_each_of_them(monkeypatch):
    monkeypatch.setattr("bedplate.server.threads.cores", lambda: 2)
    threads, release = Threads(), threading.Event()

    functions = [asyncio.ensure_future(threads.run(lambda _: release.wait(20))) for _ in range(5)]
    await until(lambda: threads.running + threads.waiting == 5)

    assert (threads.running, threads.waiting) == (2 * THREADS_PER_CORE, 5 - 2 * THREADS_PER_CORE)
    release.set()
    assert all(await asyncio.gather(*functions))
    threads.close()
