"""BP432 and BP458: lists come in pages."""

import re
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.messages import is_map
from bedplate.lint.contract import Method
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, in_method, method_rule
from bedplate.lint.schema import rules_of

_TYPES = {
    "page_size": (FieldDescriptor.TYPE_INT32, "int32"),
    "page_token": (FieldDescriptor.TYPE_STRING, "string"),
    "next_page_token": (FieldDescriptor.TYPE_STRING, "string"),
}


@method_rule("BP432", Severity.WARNING)
def lists_are_paged(method: Method) -> Iterator[Found]:
    """A list grows; an answer may not."""
    if not _lists(method) or method.descriptor.server_streaming:
        return
    request, response = method.descriptor.input_type, method.descriptor.output_type
    missing = [
        f"{message.name}.{field}"
        for message, field in (
            (request, "page_size"),
            (request, "page_token"),
            (response, "next_page_token"),
        )
        if not _is(message, field)
    ]
    if missing:
        yield in_method(
            method,
            f"lists, and has not {', '.join(missing)}; a list that is not paged cannot be later without "
            "breaking its callers. Add int32 page_size, string page_token and string next_page_token",
        )
    if not any(field.is_repeated and not is_map(field) for field in response.fields):
        yield in_method(method, f"lists, and {response.name} has no repeated field")


@method_rule("BP458", Severity.WARNING)
def paging_is_whole(method: Method) -> Iterator[Found]:
    """The three fields of paging go together, and a page has a largest size."""
    request, response = method.descriptor.input_type, method.descriptor.output_type
    there = {
        "page_size": _is(request, "page_size"),
        "page_token": _is(request, "page_token"),
        "next_page_token": _is(response, "next_page_token"),
    }
    if any(there.values()) and not all(there.values()) and not _lists(method):
        names = " and ".join(name for name, found in there.items() if not found)
        yield in_method(method, f"is paged in part: {names} is missing; add it, or leave out the others")
    size = request.fields_by_name.get("page_size")
    if size is not None and there["page_size"]:
        rules = rules_of(size).int32
        if not (rules.HasField("lte") or rules.HasField("lt")):
            yield Found(
                size.full_name,
                f"{request.name}.page_size has no bound, so one call may ask for everything; add "
                "(buf.validate.field).int32 = {gte: 0 lte: 1000}",
            )


def _lists(method: Method) -> bool:
    return re.match(r"List(?=[A-Z]|$)", method.descriptor.name) is not None


def _is(message: Descriptor, name: str) -> bool:
    field = message.fields_by_name.get(name)
    return field is not None and field.type == _TYPES[name][0] and not field.is_repeated
