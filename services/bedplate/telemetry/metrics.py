"""Rate, errors and duration of calls, counted in plain numbers.

A counter and a histogram of prometheus_client cost 4 microseconds a call,
because they take a lock each; calls end on one event loop, so a list of numbers
does it in half of one. They are turned into metrics when somebody looks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# Upper bounds of the histogram's buckets, seconds.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Cell:
    """Calls of one method, door and code: how many a bucket, and their time together."""

    __slots__ = ("buckets", "sum_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one call."""
        self.buckets[bisect_left(BUCKETS_S, duration_s)] += 1
        self.sum_s += duration_s

    @property
    def count(self) -> int:
        """How many calls there were."""
        return sum(self.buckets)


class Tally:
    """How many calls of a method have begun and ended; both are noted on the event loop."""

    __slots__ = ("begun", "ended")

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    @property
    def running(self) -> int:
        """How many run now."""
        return self.begun - self.ended


class CallMetrics(Collector):
    """What a process knows of its calls.

    `bedplate_calls_total`, `bedplate_call_duration_seconds` and
    `bedplate_calls_in_flight`.
    """

    def __init__(self, settle: Callable[[], None] = lambda: None) -> None:
        """Count calls; `settle` counts those that ended and are not in a cell yet."""
        self._settle = settle
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._tallies: dict[str, Tally] = {}

    def tally(self, method: str) -> Tally:
        """A method's tally, made when it is first asked for."""
        return self._tallies.setdefault(method, Tally())

    @property
    def tallies(self) -> Iterable[Tally]:
        """The tallies of all methods."""
        return self._tallies.values()

    def cell(self, method: str, door: str, code: str) -> Cell:
        """The cell to count in, made when it is first asked for."""
        return self._cells.setdefault((method, door, code), Cell())

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees; the same names and labels at every scrape."""
        self._settle()
        labels = ["method", "door", "code"]
        calls = CounterMetricFamily("bedplate_calls", "Calls that ended.", labels=labels)
        durations = HistogramMetricFamily(
            "bedplate_call_duration_seconds", "How long calls took.", labels=labels
        )
        for key, cell in sorted(self._cells.items()):
            calls.add_metric(key, cell.count)
            total, buckets = 0, []
            for bound, count in zip((*BUCKETS_S, float("inf")), cell.buckets, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
            durations.add_metric(key, buckets=buckets, sum_value=cell.sum_s)
        running = GaugeMetricFamily("bedplate_calls_in_flight", "Calls that run now.", labels=["method"])
        for method, tally in sorted(self._tallies.items()):
            running.add_metric([method], tally.running)
        return [calls, durations, running]

    def describe(self) -> Iterable[Metric]:
        """The families by name, so that registering needs no scrape."""
        return [
            CounterMetricFamily("bedplate_calls", "Calls that ended."),
            HistogramMetricFamily("bedplate_call_duration_seconds", "How long calls took."),
            GaugeMetricFamily("bedplate_calls_in_flight", "Calls that run now."),
        ]


class LogMetrics(Collector):
    """`bedplate_log_lines_dropped_total`: the one sign of a log that cannot tell of itself."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        """Show what `dropped` counts."""
        self._dropped = dropped

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        return [
            CounterMetricFamily(
                "bedplate_log_lines_dropped",
                "Log lines that could not be written.",
                value=self._dropped(),
            )
        ]
