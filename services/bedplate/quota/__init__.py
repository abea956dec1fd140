"""How often callers may call: buckets in memory or in Valkey."""
