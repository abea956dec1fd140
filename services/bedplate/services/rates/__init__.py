"""Exchange rates by day, with their source."""
