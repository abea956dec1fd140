"""Names of the metadata that callers and servers exchange, all lower case."""

AUTHORIZATION = "authorization"
TRACEPARENT = "traceparent"
REQUEST_ID = "x-request-id"
# The environment that the caller means, such as `staging`.
ENVIRONMENT = "bedplate-environment"
# Whom a trusted peer calls for: its principal, tenant and scopes (with spaces).
PRINCIPAL = "bedplate-principal"
TENANT = "bedplate-tenant"
SCOPES = "bedplate-scopes"
# From which address a gateway was called; believed of trusted peers only.
FORWARDED_FOR = "x-forwarded-for"
# What the method's messages look like to the sender; see `contract.fingerprint`.
SCHEMA = "bedplate-schema"
# How much the call matters: `critical`, `default` or `sheddable`. A caller can only
# make it matter less than the contract says.
CRITICALITY = "bedplate-criticality"
# google.rpc.Status, serialised; set by every refusal.
STATUS_DETAILS = "grpc-status-details-bin"
# How long a client should wait before it retries, milliseconds; negative: do not.
PUSHBACK = "grpc-retry-pushback-ms"
# Attempts before this one; set by gRPC core on retries.
PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts"
# The same of a hedged call of bedplate's client: gRPC core sends the one above only
# for retries of its own, and takes it away from whoever sends it beside those.
HEDGED_ATTEMPTS = "bedplate-previous-attempts"
