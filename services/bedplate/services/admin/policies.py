"""The policies of the admin service: what is in force, and overrides of it."""

from collections.abc import Mapping

from google.protobuf import json_format

from bedplate.admin.v1 import admin_pb2 as pb
from bedplate.contract.promises import seconds
from bedplate.data.page import PageTokens
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.policy.explain import explain_policy
from bedplate.records.overrides import StoredOverride
from bedplate.server.overrides import Overrides
from bedplate.server.paging import page_of
from bedplate.services.admin.shared import require_method, to_time


class PolicyHandlers:
    """Answers the calls that are about policies; see the contract for what each one does and refuses."""

    def __init__(self, overrides: Overrides, methods: Mapping[str, Method], page_tokens: PageTokens) -> None:
        self._overrides = overrides
        self._methods = methods
        self._page_tokens = page_tokens

    async def ExplainPolicy(self, request: pb.ExplainPolicyRequest, call: Call) -> pb.ExplainPolicyResponse:
        """Tell the policy in force."""
        method = require_method(self._methods, request.method)
        return pb.ExplainPolicyResponse(
            values=[
                pb.PolicyValue(
                    option=line.option,
                    value=line.value,
                    source=line.source,
                    keeper=line.keeper,
                    change=line.change,
                    note=line.note,
                )
                for line in explain_policy(method.policy)
            ]
        )

    async def SetOverride(self, request: pb.SetOverrideRequest, call: Call) -> pb.SetOverrideResponse:
        """Tighten a policy for a while."""
        wanted = request.override
        made = await self._overrides.set(
            wanted.override_id,
            wanted.target,
            wanted.options,
            life_s=seconds(request.duration),
            note=wanted.note,
            by=call.principal.id,
        )
        return pb.SetOverrideResponse(override=self._override(made))

    async def ListOverrides(self, request: pb.ListOverridesRequest, call: Call) -> pb.ListOverridesResponse:
        """List the overrides that were ever set."""
        page = page_of(self._page_tokens, request, call)
        time_us, override_id = page.after or (0, "")
        found = await self._overrides.list(after=(int(time_us), str(override_id)), limit=page.size + 1)
        shown = found[: page.size]
        return pb.ListOverridesResponse(
            overrides=[self._override(one) for one in shown],
            next_page_token=page.token(shown[-1].create_time_us, shown[-1].override_id)
            if len(found) > page.size
            else "",
        )

    async def ClearOverride(self, request: pb.ClearOverrideRequest, call: Call) -> pb.ClearOverrideResponse:
        """End an override."""
        cleared = await self._overrides.clear(request.override_id, by=call.principal.id)
        return pb.ClearOverrideResponse(override=self._override(cleared))

    def _override(self, override: StoredOverride) -> pb.Override:
        message = pb.Override(
            override_id=override.override_id,
            target=override.target,
            note=override.note,
            creator=override.set_by,
            create_time=to_time(override.create_time_us),
            expire_time=to_time(override.expire_us),
            clearer=override.cleared_by,
            active=self._overrides.in_force(override),
        )
        if override.clear_us is not None:
            message.clear_time.CopyFrom(to_time(override.clear_us))
        # A server of a later version may have set what this one does not know.
        json_format.Parse(override.options, message.options, ignore_unknown_fields=True)
        return message
