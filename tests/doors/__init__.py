"""The public contract as a stranger meets it: the same refusals on every door, to any client."""
