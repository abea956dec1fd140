"""How often one caller may call: token buckets of this process, or of all processes on one Valkey."""
