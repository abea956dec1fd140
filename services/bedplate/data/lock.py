"""The lock file beside an embedded database: one process at a time."""

import contextlib
import fcntl
import os
import threading
from pathlib import Path
from typing import ClassVar


class InUseError(Exception):
    """Another process has the database open.

    Attributes:
        path: The database.
        pid: The other process; 0 when it has not written its number yet.
    """

    def __init__(self, path: Path, pid: int) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path} is in use by {who}; stop it first, or use PostgreSQL")
        self.path = path
        self.pid = pid


class FileLock:
    """Holds `<database>.lock` for this process.

    The kernel's lock counts and not the file: it goes with its process, however
    that ends, and the file stays. Within the process it may be taken several
    times (the server and its migrations), and is let go with the last.
    """

    _held: ClassVar[dict[Path, tuple[int, int]]] = {}  # path: descriptor, times taken
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, database: Path) -> None:
        """Take the lock.

        Raises:
            InUseError: Another process has it.
        """
        self._path = database.resolve()
        self._taken = True
        with self._guard:
            descriptor, times = self._held.get(self._path, (-1, 0))
            if not times:
                descriptor = _lock(self._path)
            self._held[self._path] = (descriptor, times + 1)

    def release(self) -> None:
        """Let it go; a second time does nothing."""
        with self._guard:
            if not self._taken:
                return
            self._taken = False
            descriptor, times = self._held[self._path]
            if times > 1:
                self._held[self._path] = (descriptor, times - 1)
                return
            del self._held[self._path]
            os.close(descriptor)


def _lock(database: Path) -> int:
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        pid = 0
        with contextlib.suppress(ValueError):
            pid = int(os.pread(descriptor, 32, 0))
        os.close(descriptor)
        raise InUseError(database, pid) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
