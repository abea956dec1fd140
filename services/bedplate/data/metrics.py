"""What a process shows of its database."""

from prometheus_client import CollectorRegistry, Gauge

from bedplate.data.engine import Database


def show(database: Database, registry: CollectorRegistry) -> None:
    """Add the metrics of a database to a registry.

    `bedplate_database_running` counts the slots that are taken, those included
    whose callers were answered already; `bedplate_database_waiting` the units
    of work that wait for one.
    """
    running = Gauge("bedplate_database_running", "Units of work that have a connection.", registry=registry)
    running.set_function(lambda: database.running)
    waiting = Gauge(
        "bedplate_database_waiting", "Units of work that wait for a connection.", registry=registry
    )
    waiting.set_function(lambda: database.waiting)
