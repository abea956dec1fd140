"""Who calls: principals, credentials and where they are known."""
