"""Real processes, ended and stalled on purpose."""
