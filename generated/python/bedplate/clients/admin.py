"""Typed clients of bedplate.admin.v1. Written from its contract; never edited.

A call takes its request's fields by name, or the whole request. Left out
fields stay unset. A call that does not succeed raises a class of
`bedplate.client.errors`.
"""

from collections.abc import Iterable

from google.protobuf import duration_pb2

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

    async def explain_policy(
        self,
        request: admin_pb2.ExplainPolicyRequest | None = None,
        *,
        method: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ExplainPolicyResponse:
        """Tells the policy in force for a method: each value, who set it, who keeps it
        and what would change it. Refuses with NOT_FOUND TARGET_NOT_FOUND (the
        process has no such method).

        Args:
            request: The whole request, instead of its fields.
            method: The method, `package.Service/Method`.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "method": method,
        }
        response: admin_pb2.ExplainPolicyResponse = await self._unary(
            "ExplainPolicy", request, fields, timeout_s
        )
        return response

    async def set_override(
        self,
        request: admin_pb2.SetOverrideRequest | None = None,
        *,
        override: admin_pb2.Override | None = None,
        duration: duration_pb2.Duration | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.SetOverrideResponse:
        """Tightens the policy of a method or a service for a while, in this process at
        once and in all others on its database within 2 s. It is kept in the
        database: it outlives the process, and who set it stays on record. The same
        id again, with the same content, answers the override as it is now. Refuses
        with INVALID_ARGUMENT INVALID_REQUEST (no such target, no option, an option
        that takes effect at start only, a life out of its bounds), ALREADY_EXISTS
        OVERRIDE_EXISTS (another content under this id), FAILED_PRECONDITION
        OVERRIDE_REFUSED (it would loosen the contract; the metadata names the line
        that forbids it).

        Args:
            request: The whole request, instead of its fields.
            override: The override.
            duration: How long it lasts: above 0, at most 7 days.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "override": override,
            "duration": duration,
        }
        response: admin_pb2.SetOverrideResponse = await self._unary("SetOverride", request, fields, timeout_s)
        return response

    def list_overrides(
        self,
        request: admin_pb2.ListOverridesRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[admin_pb2.Override, admin_pb2.ListOverridesResponse]:
        """Lists the overrides that were ever set, in that order. Refuses with the
        platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListOverrides", "overrides", request, fields, timeout_s)

    async def clear_override(
        self,
        request: admin_pb2.ClearOverrideRequest | None = None,
        *,
        override_id: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearOverrideResponse:
        """Ends an override; one that has ended stays as it is. Refuses with NOT_FOUND
        OVERRIDE_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            override_id: The override's id.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "override_id": override_id,
        }
        response: admin_pb2.ClearOverrideResponse = await self._unary(
            "ClearOverride", request, fields, timeout_s
        )
        return response

    async def grant_relation(
        self,
        request: admin_pb2.GrantRelationRequest | None = None,
        *,
        relation: admin_pb2.Relation | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.GrantRelationResponse:
        """Gives a principal of the caller's tenant a relation to an object; to have it
        already is no mistake. Refuses with nothing of its own.

        Args:
            request: The whole request, instead of its fields.
            relation: The relation.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "relation": relation,
        }
        response: admin_pb2.GrantRelationResponse = await self._unary(
            "GrantRelation", request, fields, timeout_s
        )
        return response

    async def revoke_relation(
        self,
        request: admin_pb2.RevokeRelationRequest | None = None,
        *,
        relation: admin_pb2.Relation | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.RevokeRelationResponse:
        """Takes a relation away; not to have it is no mistake. Refuses with nothing of
        its own.

        Args:
            request: The whole request, instead of its fields.
            relation: The relation.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "relation": relation,
        }
        response: admin_pb2.RevokeRelationResponse = await self._unary(
            "RevokeRelation", request, fields, timeout_s
        )
        return response

    def list_audit_records(
        self,
        request: admin_pb2.ListAuditRecordsRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> AsyncPages[admin_pb2.AuditRecord, admin_pb2.ListAuditRecordsResponse]:
        """Lists the audit records of the caller's tenant, the oldest first. Refuses
        with the platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListAuditRecords", "audit_records", request, fields, timeout_s)

    async def invalidate_cache(
        self,
        request: admin_pb2.InvalidateCacheRequest | None = None,
        *,
        method: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.InvalidateCacheResponse:
        """Forgets the answers that this process keeps of a method, of all tenants.
        Refuses with NOT_FOUND TARGET_NOT_FOUND (the process has no such method).

        Args:
            request: The whole request, instead of its fields.
            method: The method, `package.Service/Method`.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "method": method,
        }
        response: admin_pb2.InvalidateCacheResponse = await self._unary(
            "InvalidateCache", request, fields, timeout_s
        )
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

    def explain_policy(
        self,
        request: admin_pb2.ExplainPolicyRequest | None = None,
        *,
        method: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ExplainPolicyResponse:
        """Tells the policy in force for a method: each value, who set it, who keeps it
        and what would change it. Refuses with NOT_FOUND TARGET_NOT_FOUND (the
        process has no such method).

        Args:
            request: The whole request, instead of its fields.
            method: The method, `package.Service/Method`.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "method": method,
        }
        response: admin_pb2.ExplainPolicyResponse = self._unary("ExplainPolicy", request, fields, timeout_s)
        return response

    def set_override(
        self,
        request: admin_pb2.SetOverrideRequest | None = None,
        *,
        override: admin_pb2.Override | None = None,
        duration: duration_pb2.Duration | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.SetOverrideResponse:
        """Tightens the policy of a method or a service for a while, in this process at
        once and in all others on its database within 2 s. It is kept in the
        database: it outlives the process, and who set it stays on record. The same
        id again, with the same content, answers the override as it is now. Refuses
        with INVALID_ARGUMENT INVALID_REQUEST (no such target, no option, an option
        that takes effect at start only, a life out of its bounds), ALREADY_EXISTS
        OVERRIDE_EXISTS (another content under this id), FAILED_PRECONDITION
        OVERRIDE_REFUSED (it would loosen the contract; the metadata names the line
        that forbids it).

        Args:
            request: The whole request, instead of its fields.
            override: The override.
            duration: How long it lasts: above 0, at most 7 days.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "override": override,
            "duration": duration,
        }
        response: admin_pb2.SetOverrideResponse = self._unary("SetOverride", request, fields, timeout_s)
        return response

    def list_overrides(
        self,
        request: admin_pb2.ListOverridesRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[admin_pb2.Override, admin_pb2.ListOverridesResponse]:
        """Lists the overrides that were ever set, in that order. Refuses with the
        platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListOverrides", "overrides", request, fields, timeout_s)

    def clear_override(
        self,
        request: admin_pb2.ClearOverrideRequest | None = None,
        *,
        override_id: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.ClearOverrideResponse:
        """Ends an override; one that has ended stays as it is. Refuses with NOT_FOUND
        OVERRIDE_NOT_FOUND.

        Args:
            request: The whole request, instead of its fields.
            override_id: The override's id.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "override_id": override_id,
        }
        response: admin_pb2.ClearOverrideResponse = self._unary("ClearOverride", request, fields, timeout_s)
        return response

    def grant_relation(
        self,
        request: admin_pb2.GrantRelationRequest | None = None,
        *,
        relation: admin_pb2.Relation | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.GrantRelationResponse:
        """Gives a principal of the caller's tenant a relation to an object; to have it
        already is no mistake. Refuses with nothing of its own.

        Args:
            request: The whole request, instead of its fields.
            relation: The relation.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "relation": relation,
        }
        response: admin_pb2.GrantRelationResponse = self._unary("GrantRelation", request, fields, timeout_s)
        return response

    def revoke_relation(
        self,
        request: admin_pb2.RevokeRelationRequest | None = None,
        *,
        relation: admin_pb2.Relation | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.RevokeRelationResponse:
        """Takes a relation away; not to have it is no mistake. Refuses with nothing of
        its own.

        Args:
            request: The whole request, instead of its fields.
            relation: The relation.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "relation": relation,
        }
        response: admin_pb2.RevokeRelationResponse = self._unary("RevokeRelation", request, fields, timeout_s)
        return response

    def list_audit_records(
        self,
        request: admin_pb2.ListAuditRecordsRequest | None = None,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout_s: float | None = None,
    ) -> Pages[admin_pb2.AuditRecord, admin_pb2.ListAuditRecordsResponse]:
        """Lists the audit records of the caller's tenant, the oldest first. Refuses
        with the platform's PAGE_TOKEN_INVALID.

        Args:
            request: The whole request, instead of its fields.
            page_size: At most this many: 0 to 1000. Left out: 100.
            page_token: From the page before.
            timeout_s: How long it may take for each page, seconds: 5 when left out, 30 at most, and never
                more than the call that it is part of has left.
        """
        fields = {
            "page_size": page_size,
            "page_token": page_token,
        }
        return self._pages("ListAuditRecords", "audit_records", request, fields, timeout_s)

    def invalidate_cache(
        self,
        request: admin_pb2.InvalidateCacheRequest | None = None,
        *,
        method: str | None = None,
        timeout_s: float | None = None,
    ) -> admin_pb2.InvalidateCacheResponse:
        """Forgets the answers that this process keeps of a method, of all tenants.
        Refuses with NOT_FOUND TARGET_NOT_FOUND (the process has no such method).

        Args:
            request: The whole request, instead of its fields.
            method: The method, `package.Service/Method`.
            timeout_s: How long it may take, seconds: 5 when left out, 30 at most, and never more than the
                call that it is part of has left.
        """
        fields = {
            "method": method,
        }
        response: admin_pb2.InvalidateCacheResponse = self._unary(
            "InvalidateCache", request, fields, timeout_s
        )
        return response
