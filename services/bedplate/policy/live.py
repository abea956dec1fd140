"""What operators set while the process runs. It is lost when the process ends."""

from dataclasses import dataclass, field

from bedplate.policy.faults import Faults


@dataclass(slots=True)
class Live:
    """The state of a process that its admin service changes and that stages look at.

    Attributes:
        faults: What is injected for a test.
    """

    faults: Faults = field(default_factory=Faults)
