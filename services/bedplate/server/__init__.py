"""Services in, one process out."""
