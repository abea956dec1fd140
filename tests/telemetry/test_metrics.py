"""Metrics of calls: what is counted is what a scrape shows."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bedplate.telemetry.metrics import BUCKETS_S, CallMetrics


def samples(metrics: CallMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """A scrape, parsed by the library that scrapers use."""
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scrape_shows_calls_and_cumulative_buckets() -> None:
    metrics = CallMetrics()
    cell = metrics.cell("a.B/C", "grpc", "OK")
    for duration_s in (0.0005, BUCKETS_S[0], 0.003, 100.0):
        cell.add(duration_s)

    seen = samples(metrics)

    labels = (("code", "OK"), ("door", "grpc"), ("method", "a.B/C"))
    assert seen["bedplate_calls_total", labels] == 4
    assert seen["bedplate_call_duration_seconds_count", labels] == 4
    at = {dict(key[1])["le"]: value for key, value in seen.items() if key[0].endswith("_bucket")}
    assert (at["0.001"], at["0.0025"], at["0.005"], at["10.0"], at["+Inf"]) == (2, 2, 3, 3, 4)


def test_the_same_cell_is_counted_in_again() -> None:
    metrics = CallMetrics()

    assert metrics.cell("a.B/C", "grpc", "OK") is metrics.cell("a.B/C", "grpc", "OK")


def test_calls_that_run_are_told_for_each_method() -> None:
    metrics = CallMetrics()
    metrics.tally("a.B/C").begun = 3
    metrics.tally("a.B/C").ended = 1

    assert samples(metrics)["bedplate_calls_in_flight", (("method", "a.B/C"),)] == 2
