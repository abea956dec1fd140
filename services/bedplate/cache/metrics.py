"""What a process knows of its cache, counted in plain numbers (see telemetry/metrics.py for why)."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bedplate.cache.level import LocalLevel


@dataclass(slots=True)
class Counts:
    """How often a method was answered, and from where.

    Attributes:
        hit: A fresh answer was there.
        stale: One was there that is served while a fresh one is made.
        negative: A NOT_FOUND was there.
        miss: There was none; the handler was asked.
        joined: There was none; it was being made for another caller.
    """

    hit: int = 0
    stale: int = 0
    negative: int = 0
    miss: int = 0
    joined: int = 0


class CacheMetrics(Collector):
    """`bedplate_cache_answers_total`, `_refreshes_total`, `_evictions_total`, `_bytes` and `_entries`.

    Attributes:
        refreshed: Refreshes that ended well, and those that failed.
    """

    def __init__(self, level: LocalLevel) -> None:
        self._level = level
        self._counts: dict[str, Counts] = {}
        self.refreshed = {"ok": 0, "failed": 0}

    def counts(self, method: str) -> Counts:
        """What is counted of a method, made when it is first asked for."""
        return self._counts.setdefault(method, Counts())

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        answers = CounterMetricFamily(
            "bedplate_cache_answers", "Calls of cached methods, by how.", labels=["method", "how"]
        )
        for method, counts in sorted(self._counts.items()):
            for how in fields(counts):
                answers.add_metric([method, how.name], getattr(counts, how.name))
        refreshes = CounterMetricFamily(
            "bedplate_cache_refreshes", "Stale answers that were made anew.", labels=["outcome"]
        )
        for outcome, count in self.refreshed.items():
            refreshes.add_metric([outcome], count)
        evictions = CounterMetricFamily("bedplate_cache_evictions", "Answers that went for lack of room.")
        evictions.add_metric([], self._level.evicted)
        held = GaugeMetricFamily("bedplate_cache_bytes", "What kept answers take.", value=self._level.bytes)
        entries = GaugeMetricFamily(
            "bedplate_cache_entries", "Answers that are kept.", value=len(self._level)
        )
        return [answers, refreshes, evictions, held, entries]
