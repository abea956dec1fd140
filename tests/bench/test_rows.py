"""The benchmark's own rules: what it leaves out, and what it counts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import codecs, report, rows, tools


def test_a_row_whose_tool_is_missing_is_left_out_and_it_is_said_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    measured = bench.measure(["go_all"], rounds=1, seconds=0.1)

    assert measured == {}
    assert "go_all is left out: no go was found on the path; install Go" in capsys.readouterr().err


def test_every_target_names_rows_that_there_are():
    known = {row.id for row in rows.ROWS}

    assert {name for row, base, _ in report.TARGETS for name in (row, base)} <= known


def test_a_ratio_without_its_row_is_not_told():
    measured = {"bedplate_http": report.Measured([1.0], [1.0], [1.0], [1.0])}

    assert "go_all" not in report.as_markdown(measured, {})


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it in /proc")
def test_the_cpu_of_a_servers_own_children_counts():
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used_s = rows._cpu_ns(process.pid) / 1e9
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()

    assert used_s >= 0.2


def test_codecs_are_measured_side_by_side_and_where_it_began_it_may_run_on(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    allowed = os.sched_getaffinity(0)
    monkeypatch.setattr(codecs, "CALLS", 3)
    found = codecs.measure(rounds=2)

    assert os.sched_getaffinity(0) == allowed
    assert {"codec_write", "codec_read", "codec_read_json_format"} <= set(found)
    assert "codec_read_go" not in found
    assert all(len(costs) == 2 for costs in found.values())


@pytest.mark.soak
@pytest.mark.skipif(not tools.ENVOY.exists(), reason="Envoy is not here; `make bench` fetches it")
def test_envoy_ends_with_its_row():
    (row,) = (row for row in rows.ROWS if row.id == "envoy_gateway")
    running = rows.Running.start(row)
    started = [pid for process in running.processes for pid in rows.children(process.pid)]
    running.stop()

    assert started
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
