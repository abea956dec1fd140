"""Writes the typed Python clients: one module for each package that has services.

`acme.greeter.v1` becomes `acme.clients.greeter`, `acme.greeter.v2`
`acme.clients.greeter_v2`. What a client does is in `bedplate.client`; here are
only names, types and comments.
"""

import keyword
import re
import textwrap
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

from bedplate.client import AsyncClient, Client
from bedplate.contract.policy import resolve
from bedplate.generate.descriptors import Contracts
from bedplate.generate.python_types import Imports, message_type, parameter_name, parameter_type

WIDTH = 110
_VERSION = re.compile(r"^v(\d+)([a-z]+\d+)?$")
_STANDARD = ("collections.abc",)


def files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the Python root, and content, of each module."""
    packages: dict[str, list[ServiceDescriptor]] = {}
    for service in contracts.services:
        packages.setdefault(service.file.package, []).append(service)
    folders = set()
    for package, services in sorted(packages.items()):
        path = module_path(package)
        folders.add(path.rpartition("/")[0])
        yield path, _module(package, services, contracts)
    for folder in sorted(folders):
        yield f"{folder}/__init__.py", '"""Typed clients, one module for each package of contracts."""\n'


def module_path(package: str) -> str:
    """Where the clients of a package are, such as `acme/clients/greeter.py`."""
    parts = package.split(".")
    suffix = ""
    if len(parts) > 1 and _VERSION.match(parts[-1]):
        version = parts.pop()
        suffix = "" if version == "v1" else f"_{version}"
    noun = "_".join(parts[1:]) or parts[0]
    return f"{parts[0]}/clients/{noun}{suffix}.py"


def _module(package: str, services: list[ServiceDescriptor], contracts: Contracts) -> str:
    imports = Imports()
    classes = [
        "\n".join(_class(service, contracts, imports, asynchronous=asynchronous))
        for service in services
        for asynchronous in (True, False)
    ]
    head = [
        f'"""Typed clients of {package}. Written from its contract; never edited.',
        "",
        "A call takes its request's fields by name, or the whole request. Left out",
        "fields stay unset. A call that does not succeed raises a class of",
        "`bedplate.client.errors`.",
        '"""',
        "",
        *imports.lines(_STANDARD),
    ]
    return "\n".join([*head, "", "", "\n\n\n".join(classes), ""])


def _class(
    service: ServiceDescriptor, contracts: Contracts, imports: Imports, *, asynchronous: bool
) -> Iterator[str]:
    base = imports.name("bedplate.client", "AsyncClient" if asynchronous else "Client")
    noun = service.name.removesuffix("Service") or service.name
    yield f"class {'Async' if asynchronous else ''}{noun}Client({base}):"
    comment = contracts.comments.get(service.full_name, f"Calls {service.full_name}.")
    yield from _docstring([comment, _KINDS[asynchronous]], 4)
    yield ""
    module = imports.module(service.file.name)
    yield f'    SERVICE = {module}.DESCRIPTOR.services_by_name["{service.name}"]'
    for method in service.methods:
        yield ""
        yield from _Method(method, contracts, imports, asynchronous=asynchronous).lines()


_KINDS = {
    True: "For asyncio. Belongs to the event loop of its first call.",
    False: "For plain code, from any thread.",
}


class _Method:
    """The text of one method of a client."""

    def __init__(
        self, method: MethodDescriptor, contracts: Contracts, imports: Imports, *, asynchronous: bool
    ) -> None:
        self._method = method
        self._contracts = contracts
        self._imports = imports
        self._async = asynchronous
        self._request = message_type(method.input_type, imports)
        self._response = message_type(method.output_type, imports)

    def lines(self) -> Iterator[str]:
        """The method, its signature, docstring and body."""
        returned, call = self._streamed() if self._method.client_streaming else self._plain()
        awaits = "await " if self._async and returned == self._response else ""
        word = "async def" if awaits else "def"
        yield f"    {word} {_method_name(self._method)}("
        yield "        self,"
        yield from (f"        {parameter}," for parameter in self._parameters())
        yield f"    ) -> {returned}:"
        yield from _docstring([self._comment()], 8, args=self._argument_texts())
        if not self._method.client_streaming:
            yield from self._fields()
        if self._is_lazy():
            yield from _call_lines("return ", call)
        else:
            yield from _call_lines(f"response: {returned} = {awaits}", call)
            yield "        return response"

    def _is_lazy(self) -> bool:
        """Whether the call begins later than the method: pages and streams."""
        return self._method.server_streaming or _paged_field(self._method) is not None

    def _streamed(self) -> tuple[str, str]:
        call = "converse" if self._method.server_streaming else "collect"
        returned = self._stream_type() if self._method.server_streaming else self._response
        return returned, f'self._{call}("{self._method.name}", requests, timeout_s)'

    def _plain(self) -> tuple[str, str]:
        name = self._method.name
        if self._method.server_streaming:
            return self._stream_type(), f'self._stream("{name}", request, fields, timeout_s)'
        items = _paged_field(self._method)
        if items is None:
            return self._response, f'self._unary("{name}", request, fields, timeout_s)'
        pages = self._imports.name("bedplate.client", "AsyncPages" if self._async else "Pages")
        item = parameter_type(items, self._imports).removeprefix("Iterable[").removesuffix("]")
        return (
            f"{pages}[{item}, {self._response}]",
            f'self._pages("{name}", "{items.name}", request, fields, timeout_s)',
        )

    def _stream_type(self) -> str:
        stream = self._imports.name("bedplate.client", "AsyncStream" if self._async else "Stream")
        return f"{stream}[{self._response}]"

    def _parameters(self) -> Iterator[str]:
        if self._method.client_streaming:
            kinds = [f"{self._imports.name('collections.abc', 'Iterable')}[{self._request}]"]
            if self._async:
                kinds.insert(0, f"{self._imports.name('collections.abc', 'AsyncIterable')}[{self._request}]")
            yield f"requests: {' | '.join(kinds)}"
            yield "*"
        else:
            yield f"request: {self._request} | None = None"
            yield "*"
            for field in self._method.input_type.fields:
                yield f"{parameter_name(field)}: {parameter_type(field, self._imports)} | None = None"
        yield "timeout_s: float | None = None"

    def _fields(self) -> Iterator[str]:
        names = [(field.name, parameter_name(field)) for field in self._method.input_type.fields]
        if not names:
            yield "        fields: dict[str, object] = {}"
            return
        yield "        fields = {"
        yield from (f'            "{name}": {parameter},' for name, parameter in names)
        yield "        }"

    def _comment(self) -> str:
        return self._contracts.comments.get(
            f"{self._method.containing_service.full_name}.{self._method.name}", f"Calls {self._method.name}."
        )

    def _argument_texts(self) -> Iterator[tuple[str, str]]:
        policy = resolve(self._method)
        if self._method.client_streaming:
            yield "requests", "What is sent."
        else:
            yield "request", "The whole request, instead of its fields."
            for field in self._method.input_type.fields:
                comment = self._contracts.comments.get(field.full_name, f"See {field.full_name}.")
                yield parameter_name(field), comment
        each = " for each page" if _paged_field(self._method) else ""
        yield (
            "timeout_s",
            f"How long it may take{each}, seconds: {policy.deadline_default_s:g} when left out, "
            f"{policy.deadline_max_s:g} at most, and never more than the call that it is part of has left.",
        )


def _paged_field(method: MethodDescriptor) -> FieldDescriptor | None:
    """The field that holds the items of a page; None for a method that has no pages.

    A method has pages when it takes `page_size` and `page_token` and answers
    `next_page_token` and exactly one repeated field.
    """
    if method.client_streaming or method.server_streaming:
        return None
    asked: Descriptor = method.input_type
    answered: Descriptor = method.output_type
    if not {"page_size", "page_token"} <= set(asked.fields_by_name):
        return None
    lists = [field for field in answered.fields if field.is_repeated]
    if "next_page_token" not in answered.fields_by_name or len(lists) != 1:
        return None
    message = lists[0].message_type
    return None if message is not None and message.GetOptions().map_entry else lists[0]


def _call_lines(before: str, call: str) -> Iterator[str]:
    """A statement that ends in a call, broken as ruff breaks it."""
    line = f"        {before}{call}"
    if len(line) <= WIDTH:
        yield line
        return
    name, _, arguments = call.partition("(")
    yield f"        {before}{name}("
    yield f"            {arguments.removesuffix(')')}"
    yield "        )"


def _method_name(method: MethodDescriptor) -> str:
    """The name of a client's method: `import_`, `close_` where Python, or every client, has the plain one."""
    name = _snake(method.name)
    taken = keyword.iskeyword(name) or any(hasattr(base, name) for base in (AsyncClient, Client))
    return f"{name}_" if taken else name


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _docstring(
    paragraphs: list[str], indent: int, args: Iterator[tuple[str, str]] | None = None
) -> Iterator[str]:
    """The lines of a docstring; paragraphs keep their breaks."""
    margin = " " * indent
    lines = "\n\n".join(paragraphs).splitlines()
    if args is not None:
        lines += ["", "Args:"]
        for name, text in args:
            flat = " ".join(text.split())
            lines += textwrap.wrap(
                f"{name}: {flat}",
                width=WIDTH - indent,
                initial_indent="    ",
                subsequent_indent="        ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    lines = [line.replace('"""', "'''") for line in lines]
    # A backslash of a comment is no escape of Python's.
    quotes = 'r"""' if any("\\" in line for line in lines) else '"""'
    if len(lines) == 1 and not lines[0].endswith(('"', "\\")):
        yield f'{margin}{quotes}{lines[0]}"""'
        return
    yield f"{margin}{quotes}{lines[0]}"
    yield from (f"{margin}{line}".rstrip() for line in lines[1:])
    yield f'{margin}"""'
