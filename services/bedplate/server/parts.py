"""What the stages of a process are made with: out of its settings, its database and its telemetry."""

from collections.abc import Callable

from bedplate.auth.principal import Authenticator
from bedplate.cache import Answers
from bedplate.data import Database
from bedplate.data.metrics import show
from bedplate.pipeline.load.load import Load
from bedplate.pipeline.load.metrics import LoadMetrics
from bedplate.pipeline.stage import Gate, Parts
from bedplate.quota.address import AddressBudget
from bedplate.quota.metrics import QuotaMetrics
from bedplate.quota.quota import Quota
from bedplate.quota.shared import SharedBuckets
from bedplate.records.audit import Audit
from bedplate.records.outcomes import Outcomes
from bedplate.records.relations import TableRelations
from bedplate.settings import Settings
from bedplate.telemetry.recorder import Telemetry


def make_parts(
    settings: Settings,
    *,
    authenticator: Authenticator,
    gate: Gate,
    telemetry: Telemetry,
    database: Database,
    strict: bool,
) -> Parts:
    """The parts of a process whose database is open; called in its event loop."""
    show(database, telemetry.registry)
    return Parts(
        authenticator=authenticator,
        settings=settings,
        gate=gate,
        registry=telemetry.registry,
        load=make_load(settings, telemetry),
        answers=make_answers(settings, telemetry),
        quota=make_quota(settings, telemetry),
        strict=strict,
        outcomes=Outcomes(database, registry=telemetry.registry),
        audit=Audit(database),
        relations=TableRelations(database),
    )


def make_load(settings: Settings, telemetry: Telemetry) -> Load:
    """What a process has taken on, shown by its metrics."""
    load = Load(lag_s=settings.load_lag_s, on=settings.load_shedding)
    telemetry.registry.register(LoadMetrics(load))
    return load


def make_answers(settings: Settings, telemetry: Telemetry) -> Answers:
    """The process's cache, shown by its metrics."""
    answers = Answers(settings.cache_bytes)
    telemetry.registry.register(answers.metrics)
    return answers


def make_quota(settings: Settings, telemetry: Telemetry) -> Quota:
    """The process's limits, shown by its metrics; raises SettingsError when Valkey cannot be used."""
    shared = None
    if settings.valkey_url:
        shared = SharedBuckets(
            settings.valkey_url, timeout_s=settings.valkey_timeout_s, on_change=_log_valkey(telemetry)
        )
    addresses = AddressBudget(settings.address_rate, settings.address_burst)
    quota = Quota(addresses=addresses, shared=shared, without=settings.valkey_without)
    telemetry.registry.register(QuotaMetrics(quota))
    return quota


def _log_valkey(telemetry: Telemetry) -> Callable[[bool], None]:
    def log(up: bool) -> None:
        message = "answers again" if up else "does not answer; rate limits go on without it"
        telemetry.log.write("info" if up else "warning", "valkey", {"message": message})

    return log
