"""Handlers of bedplate.admin.v1: one class for each section of the contract, put together here."""

from bedplate.services.admin.faults import FaultHandlers


class AdminHandlers(FaultHandlers):
    """Answers the calls of AdminService."""
