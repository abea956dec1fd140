"""The `bedplate` command."""
