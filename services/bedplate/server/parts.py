"""What the stages of a process are made with: out of its settings, its database and its telemetry."""

from bedplate.auth.principal import Authenticator
from bedplate.cache import Answers
from bedplate.data import Database
from bedplate.data.metrics import show
from bedplate.pipeline.load.load import Load
from bedplate.pipeline.load.metrics import LoadMetrics
from bedplate.pipeline.stage import Gate, Parts
from bedplate.records.outcomes import Outcomes
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
        strict=strict,
        outcomes=Outcomes(database, registry=telemetry.registry),
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
