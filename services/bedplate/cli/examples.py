"""Examples under a command's `--help`."""


def examples(*lines: str) -> str:
    """An epilog that shows each line as it is typed; `line  # comment` explains itself."""
    shown = "\n\n".join(f"  {line.replace('[', chr(92) + '[')}" for line in lines)
    return f"[bold]Examples[/bold]\n\n{shown}"
