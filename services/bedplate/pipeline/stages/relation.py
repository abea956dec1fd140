"""Relation: the caller has the relation to the object that its request names.

It comes before replay and cache, so that neither answers past it. An object
that there is none of is answered as one that the caller has nothing to do with.
"""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.contract.promises import Relation
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers without the relation; None for a method that asks for none.

    Raises:
        PolicyError: The field that names the object is none of the request's.
    """
    wanted = policy.auth.relation if policy.auth is not None else None
    if wanted is None:
        return None
    names = _path(policy, wanted)
    relations = parts.relations
    if relations is None:
        raise PolicyError(f"{policy.method}: auth.relation needs a database, and there is none.")

    async def before(call: Call) -> None:
        found: Any = call.request
        for name in names:
            found = getattr(found, name)
        principal = call.principal
        if not found or not await relations.has(principal.tenant, principal.id, wanted, str(found)):
            raise Refusal(
                Kind.FORBIDDEN,
                "RELATION_MISSING",
                f"The caller is no {wanted.relation} of this {wanted.object_type}, or there is none.",
                relation=wanted.relation,
                object_type=wanted.object_type,
                field=wanted.field,
            )

    return Stage("relation", before=before)


def _path(policy: MethodPolicy, wanted: Relation) -> tuple[str, ...]:
    """The names of the fields down to the object's id."""
    if policy.descriptor.client_streaming:
        raise PolicyError(f"{policy.method}: auth.relation cannot be kept where requests are a stream")
    names = tuple(wanted.field.split("."))
    message = policy.descriptor.input_type
    for place, name in enumerate(names):
        field: FieldDescriptor | None = message.fields_by_name.get(name)
        last = place == len(names) - 1
        if field is None or field.is_repeated or (field.message_type is None) is not last:
            raise PolicyError(
                f"{policy.method}: auth.relation.field is {wanted.field!r}, which names no single value of "
                f"{policy.descriptor.input_type.name}"
            )
        message = field.message_type if field.message_type is not None else message
    return names
