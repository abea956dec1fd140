"""The update masks of a request: its own, or those of the requests that a batch holds."""

import re
from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bedplate.contract.masks import Masked, covers, faults, masked
from bedplate.contract.messages import is_map
from bedplate.errors import Violation

_ITEM = re.compile(r"([a-z][a-z0-9_]*)\[(\d+)\]\.")


class Masks:
    """Where requests of a type have update masks.

    Attributes:
        own: The request's own; None: it has none.
        batches: Those of the items of its lists, by the list's name.
    """

    __slots__ = ("batches", "own")

    def __init__(self, own: Masked | None, batches: dict[str, Masked]) -> None:
        self.own = own
        self.batches = batches

    def violations(self, request: Message) -> Iterator[Violation]:
        """The paths that name no field, or one that cannot be changed."""
        for prefix, found, message in self._each(request):
            mask = getattr(message, found.mask.name)
            for fault in faults(mask, found.type):
                place = f"{prefix}{found.mask.name}.paths[{fault.index}]"
                yield Violation(place, fault.sentence, fault.rule)

    def _each(self, request: Message) -> Iterator[tuple[str, Masked, Message]]:
        if self.own is not None:
            yield "", self.own, request
        for name, found in self.batches.items():
            for index, item in enumerate(getattr(request, name)):
                yield f"{name}[{index}].", found, item

    def touch(self, request: Message, path: str) -> bool:
        """Whether the request means to change what is at a path of it; true for what no mask is about."""
        found, message = self.own, request
        item = _ITEM.match(path)
        if item is not None and item[1] in self.batches:
            found, message = self.batches[item[1]], getattr(request, item[1])[int(item[2])]
            path = path[item.end() :]
        if found is None or not path.startswith(f"{found.resource.name}."):
            return True
        inner = path.removeprefix(f"{found.resource.name}.")
        return covers(getattr(message, found.mask.name), getattr(message, found.resource.name), inner)


@cache
def masks_of(request: Descriptor) -> Masks | None:
    """The masks of a request type; None when it has none.

    Raises:
        PolicyError: Nobody could say which field a mask is about.
    """
    own = masked(request)
    batches = {}
    for field in request.fields:
        if field.message_type is not None and field.is_repeated and not is_map(field):
            found = masked(field.message_type)
            if found is not None:
                batches[field.name] = found
    return Masks(own, batches) if own is not None or batches else None
