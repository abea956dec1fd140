"""How a command ends: exit codes, and expected errors in words instead of tracebacks."""

import enum
import errno
from collections.abc import Iterable, Iterator
from typing import Protocol

# Nothing heavy at the top: `bedplate --help` loads this file.


class Exit(enum.IntEnum):
    """Exit codes; docs/operations.md lists them for operators."""

    OK = 0
    BUG = 1  # unexpected; the traceback is for us
    FINDINGS = 1  # of `check` and `breaking`, as linters do
    USAGE = 2  # the command line
    CONFIGURATION = 3  # settings, keys or contract
    IN_USE = 4  # an address or the data folder is taken
    DATABASE = 5  # not reachable, or a migration failed
    INVALID = 10  # a call was refused: change the request
    CALLER = 11  # a call was refused: key or scope
    STATE = 12  # a call was refused: the resource is not as the call needs it
    AGAIN = 13  # a call failed: try again later
    LATE = 14  # a call failed: not in time
    FAULT = 15  # a call failed: the server's fault, or it does not know the method
    INTERRUPTED = 130  # Ctrl-C


class _Violation(Protocol):
    @property
    def field(self) -> str: ...

    @property
    def sentence(self) -> str: ...


CALL_EXITS = {
    "INVALID_ARGUMENT": Exit.INVALID,
    "OUT_OF_RANGE": Exit.INVALID,
    "UNAUTHENTICATED": Exit.CALLER,
    "PERMISSION_DENIED": Exit.CALLER,
    "NOT_FOUND": Exit.STATE,
    "ALREADY_EXISTS": Exit.STATE,
    "FAILED_PRECONDITION": Exit.STATE,
    "ABORTED": Exit.STATE,
    "UNAVAILABLE": Exit.AGAIN,
    "RESOURCE_EXHAUSTED": Exit.AGAIN,
    "CANCELLED": Exit.AGAIN,
    "DEADLINE_EXCEEDED": Exit.LATE,
}


# What the place of a file can be like, and no mistake of ours.
_UNUSABLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def tell(sentence: str, violations: "Iterable[_Violation]") -> Iterator[str]:
    """The fields that an error is about, without saying again what its sentence says."""
    for violation in violations:
        if f"{violation.field}: {violation.sentence}" in sentence:
            continue
        if violation.sentence in sentence:
            yield f"field: {violation.field}"
        else:
            yield f"{violation.field}: {violation.sentence}"


class Stop(Exception):  # noqa: N818 - an end, not always an error
    """The command ends here, with an exit code and lines for the person.

    Attributes:
        code: The exit code.
        lines: What to say on standard error; the first one is the error.
    """

    def __init__(self, code: Exit, *lines: str) -> None:
        super().__init__(lines[0] if lines else "")
        self.code = code
        self.lines = lines


def explain(error: BaseException) -> Stop | None:
    """An expected error as an end in words; None for what is a bug."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Stop(Exit.INTERRUPTED)
    if isinstance(error, OSError) and error.filename and error.errno in _UNUSABLE:
        return Stop(Exit.CONFIGURATION, f"{error.filename} cannot be used: {error.strerror}.")
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        return Stop(Exit.IN_USE, str(error))
    return _known(error)


def _known(error: BaseException) -> Stop | None:
    from bedplate.auth.key_format import KeyFileError
    from bedplate.contract.policy import PolicyError
    from bedplate.data.lock import InUseError
    from bedplate.gateway.elsewhere.descriptors import DescriptorError
    from bedplate.gateway.elsewhere.upstream import UpstreamError
    from bedplate.project import ProjectError
    from bedplate.services.registry import UnknownServiceError
    from bedplate.settings import SettingsError
    from bedplate.transport.tls import TlsError

    configured = (SettingsError, KeyFileError, PolicyError, ProjectError, TlsError, DescriptorError)
    if isinstance(error, (*configured, UpstreamError)):
        return Stop(Exit.CONFIGURATION, *str(error).splitlines())
    if isinstance(error, UnknownServiceError):
        return Stop(Exit.USAGE, str(error))
    if isinstance(error, InUseError):
        return Stop(Exit.IN_USE, f"{error}.")
    return _of_database(error)


def _of_database(error: BaseException) -> Stop | None:
    import sqlite3

    from sqlalchemy.exc import ArgumentError, DBAPIError

    from bedplate.data.migrate import MigrationError

    if isinstance(error, MigrationError):
        return Stop(Exit.DATABASE, f"The migration failed. {error}")
    if isinstance(error, ArgumentError):
        return Stop(
            Exit.CONFIGURATION,
            "BEDPLATE_DATABASE_URL is no database URL.",
            "Write postgresql://user:password@host:5432/name, or leave it out for SQLite.",
        )
    if isinstance(error, DBAPIError):
        # The driver's text names host and port, and never the password.
        return Stop(
            Exit.DATABASE,
            f"The database does not answer: {str(error.orig).strip().splitlines()[0]}",
            "BEDPLATE_DATABASE_URL says which it is.",
        )
    if isinstance(error, sqlite3.Error):  # before there is an engine
        return Stop(
            Exit.DATABASE, f"The database cannot be used: {error}.", "BEDPLATE_DATABASE_URL says which it is."
        )
    return None
