"""What a process knows of its limits, counted in plain numbers (see telemetry/metrics.py for why)."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bedplate.quota.quota import Quota


class QuotaMetrics(Collector):
    """`bedplate_rate_refused_total`, `bedplate_rate_holders`, `bedplate_address_refused_total` and more."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota

    def collect(self) -> Iterable[Metric]:
        """What a scrape sees."""
        quota = self._quota
        refused = CounterMetricFamily("bedplate_rate_refused", "Calls above a rate limit.", labels=["bucket"])
        holders = GaugeMetricFamily(
            "bedplate_rate_holders", "Callers whose bucket this process remembers.", labels=["bucket"]
        )
        for bucket in quota.buckets:
            refused.add_metric([bucket.name], bucket.refused)
            holders.add_metric([bucket.name], bucket.holders)
        addresses = CounterMetricFamily(
            "bedplate_address_refused", "Calls from addresses that had used up their budget."
        )
        addresses.add_metric([], quota.addresses.refused)
        if quota.shared is None:
            return [refused, holders, addresses]
        failures = CounterMetricFamily(
            "bedplate_rate_valkey_failures", "Rounds of rate limits that Valkey did not answer."
        )
        failures.add_metric([], quota.shared.failures)
        up = GaugeMetricFamily(
            "bedplate_rate_valkey_up", "Whether Valkey answered the last round.", value=quota.shared.up
        )
        return [refused, holders, addresses, failures, up]
