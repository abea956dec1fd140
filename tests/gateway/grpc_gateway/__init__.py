"""What grpc-gateway makes of requests, asked of its own functions and kept in answers.json."""
