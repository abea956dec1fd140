"""What a method must have whose outcomes are kept for those who repeat it."""

from google.protobuf.descriptor import FieldDescriptor

from bedplate.contract.policy import MethodPolicy, PolicyError

# The field that names a call: the same in all requests, as AIP-155 says.
REQUEST_ID = "request_id"


def check_replay(policy: MethodPolicy) -> None:
    """Refuse a method that cannot keep its outcomes.

    Raises:
        PolicyError: It streams, anybody may call it, or its request lacks a
            field. The text says what to write.
    """
    if policy.replay is None:
        return
    name, method = policy.method, policy.descriptor
    if method.client_streaming or method.server_streaming:
        raise PolicyError(f"{name}: IDEMPOTENCY_REQUEST_ID is for methods with one request and one response.")
    if policy.auth is not None and policy.auth.anonymous:
        raise PolicyError(
            f"{name}: IDEMPOTENCY_REQUEST_ID needs a caller that is known, because outcomes are kept for who "
            "called. Remove auth.anonymous, or use IDEMPOTENCY_NATURAL with an id that the client chooses."
        )
    fields = method.input_type.fields_by_name
    field = fields.get(REQUEST_ID)
    if field is None or field.type != FieldDescriptor.TYPE_STRING or field.is_repeated:
        number = max((each.number for each in fields.values()), default=0) + 1
        raise PolicyError(
            f"{name}: IDEMPOTENCY_REQUEST_ID needs a field in {method.input_type.name}. "
            f"Write: string request_id = {number};"
        )
    for ignored in policy.replay.ignored_fields:
        if ignored not in fields:
            raise PolicyError(
                f"{name}: replay.ignored_fields names {ignored}, which {method.input_type.name} does not "
                f"have. Its fields are: {', '.join(fields)}."
            )
