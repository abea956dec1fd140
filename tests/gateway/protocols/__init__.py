"""Connect and gRPC-Web over sockets: what comes in, what goes out, and what is refused."""
