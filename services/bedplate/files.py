"""Whether a file is still the one that was read."""

from pathlib import Path

Stamp = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp | None:
    """What differs when the file differs, or may be read where it might not; None: there is none to see."""
    try:
        found = path.stat()
    except OSError:
        return None
    # Not its content's time: who was told to mend the file's mode changes no more than that.
    return found.st_ctime_ns, found.st_mode, found.st_size, found.st_ino
