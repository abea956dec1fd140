"""The gateway in front of a gRPC server of another process, by contracts that are read at run time."""
