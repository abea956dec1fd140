"""The log: every line arrives, whole and in order, and a broken stream stops nobody."""

import io
import json
import logging
import stat
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from bedplate.telemetry.logs import BATCH, WAITING_MAX, BridgeHandler, LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.grpc_server import cygrpc


def number(at: float, values: tuple[Any, ...]) -> dict[str, Any]:
    """A line with a number."""
    return {"time": at, "number": values[0]}


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    """What was written."""
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_records_are_written_in_the_order_in_which_they_came() -> None:
    stream = io.BytesIO()
    log = LogWriter(stream)

    for index in range(BATCH * 3 + 1):
        log.record(number, (index,))
    log.close()

    assert [line["number"] for line in lines(stream)] == list(range(BATCH * 3 + 1))


def test_an_event_comes_after_the_records_before_it() -> None:
    stream = io.BytesIO()
    log = LogWriter(stream)

    log.record(number, (1,))
    log.write("error", "fault", {"number": 2})
    log.record(number, (3,))
    log.close()

    assert [line["number"] for line in lines(stream)] == [1, 2, 3]


def test_no_record_of_any_thread_is_lost() -> None:
    stream = io.BytesIO()
    log = LogWriter(stream)

    def work(base: int) -> None:
        for index in range(2_000):
            log.record(number, (base + index,))

    threads = [threading.Thread(target=work, args=(base * 2_000,)) for base in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()

    assert sorted(line["number"] for line in lines(stream)) == list(range(8_000))


def test_a_log_and_the_folder_that_is_made_for_it_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".bedplate" / "server.log"

    LogWriter.open(str(path)).close()

    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o700, 0o600]


class Broken(io.RawIOBase):
    """A stream on a full disk."""

    def write(self, data: Any) -> int:
        """Fail."""
        raise OSError(28, "No space left on device")


def test_a_stream_that_cannot_be_written_costs_lines_and_no_call() -> None:
    log = LogWriter(Broken())  # type: ignore[arg-type]

    log.write("error", "fault", {})
    log.flush()
    log.record(number, (1,))
    log.flush()

    assert log.dropped == 2
    log.close()


class Disk(io.RawIOBase):
    """A disk with room for so many bytes; it takes what fits, as a file system does."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.kept = bytearray()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Take what fits."""
        taken = bytes(data[: self.room])
        if not taken:
            raise OSError(28, "No space left on device")
        self.room -= len(taken)
        self.kept += taken
        return len(taken)


@pytest.mark.parametrize("count", [3, 900])  # less, and more, than a buffer of Python's
def test_a_disk_that_was_full_for_a_while_costs_whole_lines_and_tears_one_at_most(count: int) -> None:
    disk = Disk(room=100)
    log = LogWriter(io.BufferedWriter(disk))
    for round_ in range(3):
        for index in range(count):
            log.write("info", "long", {"number": index, "round": round_})
        log.flush()

    disk.room = 1_000_000
    log.write("info", "after", {})
    log.close()

    torn, *after = [line for line in disk.kept.splitlines() if not line.endswith(b"}")]
    kept = [json.loads(line) for line in disk.kept.splitlines() if line != torn]
    assert after == []
    assert [line["event"] for line in kept] == ["long", "after"]
    assert log.dropped == 3 * count - 1


def test_lines_that_were_lost_are_in_a_metric() -> None:
    log = LogWriter(Broken())  # type: ignore[arg-type]
    telemetry = Telemetry(log=log)
    before = telemetry.registry.get_sample_value("bedplate_log_lines_dropped_total")

    log.write("error", "fault", {})
    log.flush()
    log.close()

    assert before == 0
    assert telemetry.registry.get_sample_value("bedplate_log_lines_dropped_total") == 1


class Stuck(io.BytesIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, data: Any) -> int:
        """Wait."""
        self.entered.set()
        self.go.wait(30)
        return super().write(data)


def test_a_slow_disk_stops_no_call_and_what_waits_has_a_bound() -> None:
    stream = Stuck()
    log = LogWriter(stream)
    log.write("error", "fault", {"number": 0})
    stream.entered.wait(30)
    text = "x" * 1_000_000

    for index in range(WAITING_MAX // len(text) + 2):  # returns although the disk does not
        log.write("info", "long", {"text": text, "number": index})

    assert log.dropped >= 1
    stream.go.set()
    log.close()


def broken(at: float, values: tuple[Any, ...]) -> dict[str, Any]:
    """A line that cannot be made."""
    raise ValueError("no")


def test_what_cannot_be_encoded_or_made_costs_no_other_line_and_no_call() -> None:
    stream = io.BytesIO()
    log = LogWriter(stream)

    log.record(number, ("\udcff",))
    log.record(broken, ())
    log.write("error", "fault", {"number": "\udcff", "large": 2**70})
    for index in range(BATCH):
        log.record(number, (index,))
    log.close()

    assert len(lines_of_any(stream)) == BATCH + 2
    assert log.dropped == 1


def lines_of_any(stream: io.BytesIO) -> list[dict[str, Any]]:
    """What was written, also what orjson does not read."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("error", "level"), [(cygrpc.ExecuteBatchError, "info"), (RuntimeError, "error")])
def test_a_caller_that_leaves_while_it_is_answered_is_no_error_of_ours(
    error: type[Exception], level: str
) -> None:
    stream = io.BytesIO()
    log = LogWriter(stream)
    record = logging.LogRecord(
        "grpc._cython.cygrpc", logging.ERROR, "", 0, "said", (), (error, error(), None)
    )

    BridgeHandler(log).emit(record)
    log.close()

    assert [(line["level"], line["error"]) for line in lines(stream)] == [(level, error.__name__)]
