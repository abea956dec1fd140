"""Connect and gRPC-Web as the implementations of others test them: connectrpc's conformance runner."""
