"""Handlers of bedplate.admin.v1: one class for each section of the contract, put together here."""

from bedplate.server.service import Context
from bedplate.services.admin.faults import FaultHandlers
from bedplate.services.admin.policies import PolicyHandlers
from bedplate.services.admin.records import RecordHandlers


class AdminHandlers(FaultHandlers, PolicyHandlers, RecordHandlers):
    """Answers the calls of AdminService."""

    def __init__(self, context: Context) -> None:
        process = context.process
        assert process is not None, "the admin service is built by a process"
        FaultHandlers.__init__(
            self,
            process.parts.live.faults,
            process.methods,
            context.page_tokens,
            forbidden=context.settings.production,
        )
        PolicyHandlers.__init__(self, process.overrides, process.methods, context.page_tokens)
        RecordHandlers.__init__(
            self, context.database, process.parts.answers, process.methods, context.page_tokens
        )
