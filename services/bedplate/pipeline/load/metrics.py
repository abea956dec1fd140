"""What a scrape sees of the load."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.load import Load
from bedplate.telemetry.metrics import BUCKETS_S


class LoadMetrics(Collector):
    """The state of a `Load`, read when somebody looks."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def collect(self) -> Iterable[Metric]:
        """The families; the same names and labels at every scrape."""
        load = self._load
        families = self._families()
        limit, running, pressure, lags, refused, slots = families
        limit.add_metric([], load.limit.value)
        running.add_metric([], load.limit.running)
        pressure.add_metric([], load.pressure.value)
        bounds = [*map(repr, BUCKETS_S), "+Inf"]
        buckets = list(zip(bounds, accumulate(load.lags.buckets), strict=True))
        lags.add_metric([], buckets=buckets, sum_value=load.lags.sum_s)
        for method, door in sorted(load.doors.items()):
            _refused(refused, method, "process", door.refused)
        for method, own in sorted(load.slots.items()):
            _refused(refused, method, "method", own.refused)
            for state, count in (("limit", own.limit), ("running", own.running), ("queued", own.queued)):
                slots.add_metric([method, state], count)
        return families

    def describe(self) -> Iterable[Metric]:
        """The families by name, so that registering needs no scrape."""
        return self._families()

    def _families(
        self,
    ) -> "tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, HistogramMetricFamily, CounterMetricFamily, GaugeMetricFamily]":  # noqa: E501
        return (
            GaugeMetricFamily("bedplate_load_limit", "Calls that may run at once, as found lately."),
            GaugeMetricFamily("bedplate_load_running", "Calls that count against the limit."),
            GaugeMetricFamily("bedplate_load_pressure", "0: none; 1: nothing sheddable; 2: only critical."),
            HistogramMetricFamily("bedplate_loop_lag_seconds", "How late the event loop was."),
            CounterMetricFamily(
                "bedplate_load_refused",
                "Calls that were refused because there was no room.",
                labels=["method", "criticality", "by"],
            ),
            GaugeMetricFamily("bedplate_slots", "Slots of a method.", labels=["method", "state"]),
        )


def _refused(family: CounterMetricFamily, method: str, by: str, counts: dict[Criticality, int]) -> None:
    for level, count in counts.items():
        family.add_metric([method, level.name.lower(), by], count)
