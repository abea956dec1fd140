"""One concern of a call a file; their order is in pipeline/order.py."""
