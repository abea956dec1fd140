"""How contract types are written in Python."""

import keyword

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

# Names within every generated method; a field of such a name gets an underscore.
_TAKEN = frozenset({"self", "request", "requests", "timeout_s", "fields", "response"})

_SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "float",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "str",
    FieldDescriptor.TYPE_BYTES: "bytes",
}


class Imports:
    """The imports of one generated module, collected while it is written."""

    def __init__(self) -> None:
        self._modules: dict[str, tuple[str, str]] = {}  # file -> (package, alias)
        self._names: set[tuple[str, str]] = set()

    def module(self, file: str) -> str:
        """The name by which the messages of a .proto file are reached in the module."""
        found = self._modules.get(file)
        if found is None:
            path = file.removesuffix(".proto").replace("-", "_")
            package, _, base = path.replace("/", ".").rpartition(".")
            alias = f"{base}_pb2"
            if any(taken == alias for _, taken in self._modules.values()):
                alias = f"{package.replace('.', '_')}_{base}_pb2"
            found = self._modules[file] = (package, alias)
            assert package, f"{file} lies in no package"
        return found[1]

    def name(self, module: str, name: str) -> str:
        """Import a name from a module."""
        self._names.add((module, name))
        return name

    def lines(self, standard: tuple[str, ...]) -> list[str]:
        """The import lines, sorted as ruff sorts them; `standard` names the standard library's modules."""
        grouped: dict[str, set[str]] = {}
        for module, name in self._names:
            grouped.setdefault(module, set()).add(name)
        aliased: dict[str, list[str]] = {}
        for file, (package, alias) in self._modules.items():
            base = f"{file.removesuffix('.proto').replace('-', '_').rpartition('/')[2]}_pb2"
            grouped.setdefault(package, set())
            if base == alias:
                grouped[package].add(base)
            else:
                aliased.setdefault(package, []).append(f"from {package} import {base} as {alias}")
        written: dict[str, list[str]] = {}
        for module, names in grouped.items():
            plain = [f"from {module} import {', '.join(sorted(names))}"] if names else []
            written[module] = plain + sorted(aliased.get(module, []))
        blocks = (
            sorted(module for module in written if module in standard),
            sorted(module for module in written if module not in standard and module.startswith("google.")),
            sorted(
                module for module in written if module not in standard and not module.startswith("google.")
            ),
        )
        lines: list[str] = []
        for block in blocks:
            if block:
                lines += ["", *(line for module in block for line in written[module])]
        return lines[1:]


def message_type(message: Descriptor, imports: Imports) -> str:
    """A message class as it is written in the module."""
    return f"{imports.module(message.file.name)}.{_path(message)}"


def parameter_type(field: FieldDescriptor, imports: Imports) -> str:
    """The type of the parameter that fills a field, without its None."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        mapping = imports.name("collections.abc", "Mapping")
        return f"{mapping}[{_single(key, imports)}, {_single(value, imports)}]"
    single = _single(field, imports)
    if field.is_repeated:
        return f"{imports.name('collections.abc', 'Iterable')}[{single}]"
    return single


def parameter_name(field: FieldDescriptor) -> str:
    """The name of the parameter that fills a field."""
    name: str = field.name
    return f"{name}_" if name in _TAKEN or keyword.iskeyword(name) else name


def _single(field: FieldDescriptor, imports: Imports) -> str:
    if field.message_type is not None:
        return message_type(field.message_type, imports)
    if field.enum_type is not None:
        enum: EnumDescriptor = field.enum_type
        return f"{imports.module(enum.file.name)}.{_path(enum)}.ValueType"
    return _SCALARS.get(field.type, "int")


def _path(what: Descriptor | EnumDescriptor) -> str:
    name = what.name
    while what.containing_type is not None:
        what = what.containing_type
        name = f"{what.name}.{name}"
    return name
