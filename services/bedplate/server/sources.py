"""Where the contracts of a server elsewhere come from: files, or the server itself."""

import asyncio
from pathlib import Path
from typing import Protocol

from bedplate.files import Stamp, stamp
from bedplate.gateway.elsewhere.descriptors import Contracts, read_files
from bedplate.gateway.elsewhere.reflected import read_reflection
from bedplate.gateway.elsewhere.upstream import Line, Target

# How often the files of contracts are looked at, seconds; a server is asked less often.
LOOK_EVERY_S = 1.0
ASK_EVERY_S = 30.0


class Source(Protocol):
    """Where contracts come from.

    Attributes:
        every_s: How often to look whether there are others, seconds.
    """

    every_s: float

    def changed(self) -> bool:
        """Whether it is worth to read again."""
        ...

    async def read(self) -> Contracts:
        """The contracts as they are now.

        Raises:
            DescriptorError: They cannot be read.
        """
        ...


class Files:
    """Contracts in files of descriptor sets."""

    def __init__(self, paths: list[Path], *, every_s: float = LOOK_EVERY_S) -> None:
        self.every_s = every_s
        self._paths = paths
        self._stamps = self._look()

    def _look(self) -> list[Stamp | None]:
        return list(map(stamp, self._paths))

    def changed(self) -> bool:
        """Whether a file is another one, or has other bytes, than at the last look."""
        before, self._stamps = self._stamps, self._look()
        return before != self._stamps

    async def read(self) -> Contracts:
        """See `Source.read`."""
        return await asyncio.to_thread(read_files, self._paths)


class Reflected:
    """Contracts that the server tells by itself."""

    def __init__(self, target: Target, *, every_s: float = ASK_EVERY_S) -> None:
        self.every_s = every_s
        self._target = target

    def changed(self) -> bool:
        """Nobody knows without asking."""
        return True

    async def read(self) -> Contracts:
        """See `Source.read`."""
        line = Line(self._target)
        try:
            return await read_reflection(line.current(), target=self._target.name)
        finally:
            await line.close()
