"""Writes the contract's descriptors to standard output, for gateways that read them."""

import sys

from tests.gateway.conformance.contract import compiled

if __name__ == "__main__":
    sys.stdout.buffer.write(compiled())
