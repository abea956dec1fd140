"""Asks grpc-gateway again: `python -m tests.gateway.grpc_gateway` (needs Go and the network)."""

from tests.gateway.grpc_gateway.peer import ANSWERS, answers, build, written

if __name__ == "__main__":
    ANSWERS.write_text(written(answers(build())), "utf-8")
