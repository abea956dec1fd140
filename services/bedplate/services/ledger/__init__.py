"""Double-entry bookkeeping: bedplate.ledger.v1."""
