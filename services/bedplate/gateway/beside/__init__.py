"""What the gateway does beside its core: one module for each concern, which may be absent."""
