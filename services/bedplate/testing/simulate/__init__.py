"""A seeded simulator: one scenario, thousands of orders of events, each of which can be replayed."""

from bedplate.testing.simulate.conditions import Faults, Sabotage
from bedplate.testing.simulate.database import SimulatedDatabase
from bedplate.testing.simulate.fault import (
    DeadlockError,
    LeakError,
    LimitError,
    SimulationError,
    Unreachable,
)
from bedplate.testing.simulate.process import Process
from bedplate.testing.simulate.run import Report, SimulationFailed, simulate
from bedplate.testing.simulate.template import Template
from bedplate.testing.simulate.world import World

__all__ = [
    "DeadlockError",
    "Faults",
    "LeakError",
    "LimitError",
    "Process",
    "Report",
    "Sabotage",
    "SimulatedDatabase",
    "SimulationError",
    "SimulationFailed",
    "Template",
    "Unreachable",
    "World",
    "simulate",
]
