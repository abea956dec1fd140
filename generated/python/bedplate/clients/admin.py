"""Typed clients of bedplate.admin.v1. Written from its contract; never edited.

A call takes its request's fields by name, or the whole request. Left out
fields stay unset. A call that does not succeed raises a class of
`bedplate.client.errors`.
"""

from collections.abc import Iterable

from bedplate.admin.v1 import admin_pb2
from bedplate.client import AsyncClient, AsyncPages, Client, Pages


class AsyncAdminClient(AsyncClient):
    """Operates a process.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first. Overload refuses no
    call of this service.

    For asyncio. Belongs to the event loop of its first call.
    """

    SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]

    async def set_fault(
        self,
        request: admin_pb2.SetFaultRequest | None = None,
        *,
        fault: admin_pb2.Fault | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.SetFaultResponse:
        """Injects a fault into calls from now on; one of the same id ends. Refuses
        with FAILED_PRECONDITION FAULTS_FORBIDDEN (the server runs in production),
        INVALID_ARGUMENT FAULT_INVALID (no effect, a delay whose longest is below
        its shortest, an unknown code, a percentage or a time out of its bounds),
        NOT_FOUND TARGET_NOT_FOUND (the process has no such method,
        or it is one of this service), RESOURCE_EXHAUSTED FAULTS_FULL (there are
        100 others).

        Args:
            request: The whole request, instead of its fields.
            fault: The fault.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "fault": fault,
        }
        response: admin_pb2.SetFaultResponse = await self._unary("SetFault", request, fields, timeout_s)
        return response

    def list_faults(
        self,
        request: admin_pb2.ListFaultsRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[admin_pb2.Fault, admin_pb2.ListFaultsResponse]:
        """Lists the faults in force, in the order in which they were set. Refuses with
        nothing of its own, and with the platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: How many at most: 1 to 100. Default: 100.
            page_token: Where the page begins: `next_page_token` of the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListFaults", "faults", request, fields, timeout_s)

    async def clear_fault(
        self,
        request: admin_pb2.ClearFaultRequest | None = None,
        *,
        fault_id: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearFaultResponse:
        """Ends a fault. Calls that it has hit already go on as it says. Refuses with
        NOT_FOUND FAULT_NOT_FOUND (it has ended already, or never was).

        Args:
            request: The whole request, instead of its fields.
            fault_id: The fault's id.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "fault_id": fault_id,
        }
        response: admin_pb2.ClearFaultResponse = await self._unary("ClearFault", request, fields, timeout_s)
        return response

    async def clear_faults(
        self,
        request: admin_pb2.ClearFaultsRequest | None = None,
        *,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearFaultsResponse:
        """Ends all faults. Refuses with nothing of its own.

        Args:
            request: The whole request, instead of its fields.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields: dict[str, object] = {}
        response: admin_pb2.ClearFaultsResponse = await self._unary("ClearFaults", request, fields, timeout_s)
        return response


class AdminClient(Client):
    """Operates a process.

    Every method can also refuse with the platform's reasons
    (bedplate.v1.PlatformReason), which are checked first. Overload refuses no
    call of this service.

    For plain code, from any thread.
    """

    SERVICE = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]

    def set_fault(
        self,
        request: admin_pb2.SetFaultRequest | None = None,
        *,
        fault: admin_pb2.Fault | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.SetFaultResponse:
        """Injects a fault into calls from now on; one of the same id ends. Refuses
        with FAILED_PRECONDITION FAULTS_FORBIDDEN (the server runs in production),
        INVALID_ARGUMENT FAULT_INVALID (no effect, a delay whose longest is below
        its shortest, an unknown code, a percentage or a time out of its bounds),
        NOT_FOUND TARGET_NOT_FOUND (the process has no such method,
        or it is one of this service), RESOURCE_EXHAUSTED FAULTS_FULL (there are
        100 others).

        Args:
            request: The whole request, instead of its fields.
            fault: The fault.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "fault": fault,
        }
        response: admin_pb2.SetFaultResponse = self._unary("SetFault", request, fields, timeout_s)
        return response

    def list_faults(
        self,
        request: admin_pb2.ListFaultsRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[admin_pb2.Fault, admin_pb2.ListFaultsResponse]:
        """Lists the faults in force, in the order in which they were set. Refuses with
        nothing of its own, and with the platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: How many at most: 1 to 100. Default: 100.
            page_token: Where the page begins: `next_page_token` of the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListFaults", "faults", request, fields, timeout_s)

    def clear_fault(
        self,
        request: admin_pb2.ClearFaultRequest | None = None,
        *,
        fault_id: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearFaultResponse:
        """Ends a fault. Calls that it has hit already go on as it says. Refuses with
        NOT_FOUND FAULT_NOT_FOUND (it has ended already, or never was).

        Args:
            request: The whole request, instead of its fields.
            fault_id: The fault's id.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "fault_id": fault_id,
        }
        response: admin_pb2.ClearFaultResponse = self._unary("ClearFault", request, fields, timeout_s)
        return response

    def clear_faults(
        self,
        request: admin_pb2.ClearFaultsRequest | None = None,
        *,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearFaultsResponse:
        """Ends all faults. Refuses with nothing of its own.

        Args:
            request: The whole request, instead of its fields.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields: dict[str, object] = {}
        response: admin_pb2.ClearFaultsResponse = self._unary("ClearFaults", request, fields, timeout_s)
        return response
