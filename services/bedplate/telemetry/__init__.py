"""What is seen of a running process: metrics, spans, one log line a call; nothing secret in any."""
