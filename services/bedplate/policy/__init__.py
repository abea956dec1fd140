"""What this version of bedplate enforces of a contract's promises."""
