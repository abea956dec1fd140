"""What a change of contracts breaks: on the wire, in JSON, and of what was promised."""
