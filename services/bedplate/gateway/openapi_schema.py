"""JSON schemas of messages, as OpenAPI 3.1 writes them, with the rules of the contract.

What a schema cannot say (limits of 64-bit integers, which JSON holds as
strings) goes into the description.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bedplate.telemetry.redact import is_sensitive
from bedplate.v1 import policy_pb2
from buf.validate import validate_pb2

Schema = dict[str, Any]

_KIND = FieldDescriptor
_SCALARS: dict[int, Schema] = {
    _KIND.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    _KIND.CPPTYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**32 - 1},
    _KIND.CPPTYPE_INT64: {"type": "string", "format": "int64", "pattern": "^(0|-?[1-9][0-9]*)$"},
    _KIND.CPPTYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^(0|[1-9][0-9]*)$"},
    _KIND.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    _KIND.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    _KIND.CPPTYPE_BOOL: {"type": "boolean"},
    _KIND.CPPTYPE_STRING: {"type": "string"},
}
_WIDE = {_KIND.CPPTYPE_INT64, _KIND.CPPTYPE_UINT64}

_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {
        "type": "string",
        "description": "Names of fields in lowerCamelCase, separated by commas.",
    },
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {"description": "Any JSON value."},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
}

# protovalidate's limits of numbers, as JSON schema and as words.
_NUMBER_RULES = {
    "const": ("const", "Exactly {}."),
    "lt": ("exclusiveMaximum", "Less than {}."),
    "lte": ("maximum", "At most {}."),
    "gt": ("exclusiveMinimum", "More than {}."),
    "gte": ("minimum", "At least {}."),
    "in": ("enum", "One of {}."),
}
_STRING_RULES = {
    "const": "const",
    "min_len": "minLength",
    "max_len": "maxLength",
    "pattern": "pattern",
    "in": "enum",
}
_SIZE_RULES = {
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique": "uniqueItems",
    "min_pairs": "minProperties",
    "max_pairs": "maxProperties",
}
_STRING_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}


class Schemas:
    """The schemas that a document needs, by name, added to as they are asked for.

    Attributes:
        components: What goes under `components.schemas`.
    """

    def __init__(self, docs: Mapping[str, str]) -> None:
        """Args: docs: Comments by full name of what they stand before; may be empty."""
        self.components: dict[str, Schema] = {}
        self._docs = docs

    def message(self, descriptor: Descriptor) -> Schema:
        """A message's schema, as a reference to the components or as it is."""
        known = _WELL_KNOWN.get(descriptor.full_name)
        if known is not None:
            return dict(known)
        if descriptor.file.name == "google/protobuf/wrappers.proto":
            inner = dict(_SCALARS[descriptor.fields_by_name["value"].cpp_type])
            return {**inner, "type": [inner["type"], "null"]}
        name = descriptor.full_name
        if name not in self.components:
            self.components[name] = {}  # it may hold itself
            self.components[name] = self.object(descriptor, frozenset())
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, descriptor: Descriptor, without: frozenset[str]) -> Schema:
        """A message's schema, written out, without some fields.

        Args:
            descriptor: The message's type.
            without: Paths of fields to leave out, dotted, by proto names.
        """
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for field in descriptor.fields:
            if field.name in without:
                continue
            below = frozenset(p.partition(".")[2] for p in without if p.startswith(f"{field.name}."))
            properties[field.json_name] = self.field(field, below)
            if field_behavior_pb2.REQUIRED in behaviours(field):
                required.append(field.json_name)
        schema: Schema = {"title": descriptor.name, "type": "object", "properties": properties}
        if required:
            schema["required"] = required
        return self._described(schema, descriptor.full_name, list(_choices(descriptor)))

    def field(self, field: FieldDescriptor, without: frozenset[str] = frozenset()) -> Schema:
        """A field's schema with its rules and its description."""
        rules: Any = field.GetOptions().Extensions[validate_pb2.field]
        notes: list[str] = []
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            schema = self._map(entry, rules, notes)
        elif field.is_repeated:
            schema = {"type": "array", "items": self._single(field, rules.repeated.items, notes)}
            for rule, key in (
                ("min_items", "minItems"),
                ("max_items", "maxItems"),
                ("unique", "uniqueItems"),
            ):
                if rules.repeated.HasField(rule):
                    schema[key] = getattr(rules.repeated, rule)
        elif without and entry is not None:
            schema = self.object(entry, without)
        else:
            schema = self._single(field, rules, notes)
        found = behaviours(field)
        if field_behavior_pb2.OUTPUT_ONLY in found:
            schema["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in found:
            schema["writeOnly"] = True
        if field_behavior_pb2.IMMUTABLE in found:
            notes.append("Cannot be changed later.")
        if is_sensitive(field):
            sensitive = field.GetOptions().Extensions[policy_pb2.field].sensitive
            schema["x-bedplate-sensitive"] = policy_pb2.Sensitive.Name(sensitive).removeprefix("SENSITIVE_")
        if field.GetOptions().deprecated:
            schema["deprecated"] = True
        return self._described(schema, field.full_name, notes)

    def _single(self, field: FieldDescriptor, rules: Any, notes: list[str]) -> Schema:
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "format": "byte", "contentEncoding": "base64"}
        schema = dict(_SCALARS[field.cpp_type])
        kind = rules.WhichOneof("type")
        if kind == "string":
            _add_string_rules(schema, rules.string, notes)
        elif kind is not None and field.cpp_type != FieldDescriptor.CPPTYPE_BOOL:
            _add_number_rules(schema, getattr(rules, kind), notes, wide=field.cpp_type in _WIDE)
        return schema

    def _map(self, entry: Descriptor, rules: Any, notes: list[str]) -> Schema:
        value = self._single(entry.fields_by_name["value"], rules.map.values, notes)
        schema: Schema = {"type": "object", "additionalProperties": value}
        keys: Schema = {}
        if rules.map.keys.WhichOneof("type") == "string":
            _add_string_rules(keys, rules.map.keys.string, notes)
        if keys:
            schema["propertyNames"] = keys
        _add_sizes(schema, rules.map)
        return schema

    def _enum(self, enum: EnumDescriptor) -> Schema:
        name = enum.full_name
        if name == "google.protobuf.NullValue":
            return {"type": "null"}
        if name not in self.components:
            # Comments of enum values have their enum's scope in protobuf; here they stand below it.
            said = [(value.name, self._docs.get(f"{name}.{value.name}", "")) for value in enum.values]
            notes = [f"- `{value}`: {' '.join(doc.split())}" for value, doc in said if doc]
            schema: Schema = {
                "title": enum.name,
                "type": "string",
                # Viewers make examples of the first one, and calls refuse what is not specified.
                "enum": sorted(
                    (value.name for value in enum.values), key=lambda value: value.endswith("_UNSPECIFIED")
                ),
            }
            self.components[name] = self._described(schema, name, ["\n".join(notes)] if notes else [])
        return {"$ref": f"#/components/schemas/{name}"}

    def _described(self, schema: Schema, name: str, notes: list[str]) -> Schema:
        text = "\n\n".join(part for part in (self._docs.get(name, ""), *notes) if part)
        if text:
            schema["description"] = text
        return schema


def behaviours(field: FieldDescriptor) -> frozenset[int]:
    """The field's google.api.field_behavior; what proto2 requires is required, whatever is said of it."""
    options: Any = field.GetOptions()
    found = frozenset(options.Extensions[field_behavior_pb2.field_behavior])
    return found | {field_behavior_pb2.REQUIRED} if field.is_required else found


def _choices(descriptor: Descriptor) -> Iterator[str]:
    for oneof in descriptor.oneofs:
        names = [field.json_name for field in oneof.fields]
        if len(names) > 1:
            yield f"At most one of {', '.join(names)} is set."


def _add_sizes(schema: Schema, rules: Any) -> None:
    for field, value in rules.ListFields():
        if field.name in _SIZE_RULES:
            schema[_SIZE_RULES[field.name]] = value


def _add_string_rules(schema: Schema, rules: Any, notes: list[str]) -> None:
    for rule, value in ((field.name, value) for field, value in rules.ListFields()):
        if rule in _STRING_RULES:
            schema[_STRING_RULES[rule]] = list(value) if rule == "in" else value
        elif rule == "len":
            schema["minLength"] = schema["maxLength"] = value
        elif rule in _STRING_FORMATS and value:
            schema["format"] = _STRING_FORMATS[rule]
        elif rule in ("prefix", "suffix", "contains", "not_contains"):
            notes.append(f"{rule.replace('_', ' ').capitalize()}: `{value}`.")
        elif rule in ("min_bytes", "max_bytes"):
            notes.append(f"At {'least' if rule == 'min_bytes' else 'most'} {value} bytes in UTF-8.")


def _add_number_rules(schema: Schema, rules: Any, notes: list[str], *, wide: bool) -> None:
    for field, value in rules.ListFields():
        if field.name not in _NUMBER_RULES:
            continue
        key, words = _NUMBER_RULES[field.name]
        listed = list(value) if field.name == "in" else value
        if wide:
            notes.append(words.format(", ".join(map(str, listed)) if field.name == "in" else listed))
        else:
            schema[key] = listed
