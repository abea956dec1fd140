"""Load that does not wait for answers, against a server process."""
