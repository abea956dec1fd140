"""A library: resources as the AIPs shape them, kept in a dict; what HTTP knows of them is tested on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import field_mask_pb2, struct_pb2, timestamp_pb2  # noqa: F401
from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.contract.masks import merge
from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts
from bedplate.records import tables
from bedplate.records.outcomes import Outcomes
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.testing.databases import sqlite_url
from bedplate.transport.http import HttpDoor
from tests.gateway.http_door import Log
from tests.gateway.shop import KEY
from tests.protos import add_file
from tests.protos import field as proto_field

P = "tests.library.v1"
_CREATED = 'http { created: "/v1/books/{book.book_id}" }'


def _field(name: str, number: int, kind: str, behaviour: str = "", *, repeated: bool = False) -> str:
    options = f"[google.api.field_behavior]: {behaviour}" if behaviour else ""
    return proto_field(name, number, kind, options, repeated=repeated)


def _method(name: str, request: str, response: str, rule: str, policy: str = "") -> str:
    return (
        f'method {{ name: "{name}" input_type: ".{P}.{request}" output_type: ".{P}.{response}" options {{ '
        f"[google.api.http] {{ {rule} }} [bedplate.v1.policy] {{ {policy} }} }} }}\n"
    )


FILE = add_file(
    'name: "tests/library/v1/library.proto" package: "tests.library.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'dependency: "google/api/field_behavior.proto" dependency: "google/protobuf/field_mask.proto"\n'
    'dependency: "google/protobuf/struct.proto" dependency: "google/protobuf/timestamp.proto"\n'
    'dependency: "buf/validate/validate.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] { domain: "library.tests" } }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_BOOK_ETAG_MISMATCH" number: 1 options { [bedplate.v1.reason] '
    '{ code: ABORTED help: "Read it again." } } }\n'
    '  value { name: "REASON_BOOK_EXISTS" number: 2 options { [bedplate.v1.reason] '
    '{ code: ALREADY_EXISTS help: "Take another id." } } }\n'
    '  value { name: "REASON_BOOK_NOT_FOUND" number: 3 options { [bedplate.v1.reason] '
    '{ code: NOT_FOUND help: "Take another id." } } } }\n'
    'message_type { name: "Author"\n'
    + _field("name", 1, "string")
    + _field("display_name", 2, "string")
    + _field("rank", 3, "int32", "OUTPUT_ONLY")
    + "}\n"
    'message_type { name: "Book"\n'
    + _field("book_id", 1, "string", "IDENTIFIER")
    + _field("title", 2, "string")
    + _field("etag", 3, "string")
    + _field("author", 4, f".{P}.Author")
    + _field("tags", 5, "string", repeated=True)
    + _field("labels", 6, f".{P}.Book.LabelsEntry", repeated=True)
    + _field("isbn", 7, "string", "IMMUTABLE")
    + _field("create_time", 8, ".google.protobuf.Timestamp", "OUTPUT_ONLY")
    + _field("due_time", 9, ".google.protobuf.Timestamp")
    + _field("notes", 10, ".google.protobuf.Struct")
    + _field("page_count", 11, "int32")
    + 'nested_type { name: "LabelsEntry" options { map_entry: true }\n'
    + _field("key", 1, "string")
    + _field("value", 2, "string")
    + "}}\n"
    + 'message_type { name: "BookResponse"\n'
    + _field("book", 1, f".{P}.Book")
    + "}\n"
    + 'message_type { name: "Note"\n'
    + _field("text", 1, "string")
    + "}\n"
    + 'message_type { name: "BookRequest"\n'
    + _field("book_id", 1, "string")
    + _field("etag", 2, "string")
    + _field("reason", 3, "string")
    + "}\n"
    + 'message_type { name: "UpdateBookRequest"\n'
    + _field("book", 1, f".{P}.Book", "REQUIRED")
    + _field("update_mask", 2, ".google.protobuf.FieldMask")
    + _field("read_mask", 3, ".google.protobuf.FieldMask")
    + "}\n"
    + 'message_type { name: "PutBookRequest"\n'
    + _field("book_id", 1, "string")
    + _field("book", 2, f".{P}.Book")
    + _field("allow_missing", 3, "bool")
    + "}\n"
    + 'message_type { name: "ReplaceBookRequest"\n'
    + _field("book_id", 1, "string")
    + _field("book", 2, f".{P}.Book")
    + "}\n"
    + 'message_type { name: "LendRequest"\n'
    + _field("book_id", 1, "string")
    + 'field { name: "etag" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }\n'
    + 'field { name: "any_state" number: 3 label: LABEL_OPTIONAL type: TYPE_BOOL oneof_index: 0 }\n'
    + 'oneof_decl { name: "condition" } }\n'
    + 'message_type { name: "ReturnRequest"\n'
    + _field("book_id", 1, "string")
    + 'field { name: "etag" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 '
    "proto3_optional: true }\n"
    + 'oneof_decl { name: "_etag" } }\n'
    + 'message_type { name: "CreateBookRequest"\n'
    + proto_field("request_id", 1, "string", "[buf.validate.field] { string { max_len: 40 } }")
    + _field("book", 2, f".{P}.Book")
    + _field("validate_only", 3, "bool")
    + "}\n"
    + 'message_type { name: "ListBooksRequest"\n'
    + _field("page_size", 1, "int32")
    + _field("page_token", 2, "string")
    + _field("filter", 3, "string")
    + "}\n"
    + 'message_type { name: "ListBooksResponse"\n'
    + _field("books", 1, f".{P}.Book", repeated=True)
    + _field("next_page_token", 2, "string")
    + "}\n"
    + 'service { name: "LibraryService" options { [bedplate.v1.service] { defaults { '
    'auth { all_scopes: "shop.all" } visibility: VISIBILITY_PUBLIC '
    "deadline { default { seconds: 5 } max { seconds: 30 } } } } }\n"
    + _method("GetBook", "BookRequest", "BookResponse", 'get: "/v1/books/{book_id}"')
    + _method("ReadBook", "BookRequest", "BookResponse", 'get: "/v1/bare/{book_id}" response_body: "book"')
    + _method("FetchBook", "BookRequest", "Book", 'get: "/v1/whole/{book_id}"')
    + _method(
        "GetNote",
        "BookRequest",
        "Note",
        'get: "/v1/notes/{book_id}"',
        "idempotency: IDEMPOTENCY_READ_ONLY cache { scope: CACHE_SCOPE_TENANT http_max_age { seconds: 60 } }",
    )
    + _method("ListBooks", "ListBooksRequest", "ListBooksResponse", 'get: "/v1/books"')
    + _method(
        "UpdateBook", "UpdateBookRequest", "BookResponse", 'patch: "/v1/books/{book.book_id}" body: "book"'
    )
    + _method("ChangeBook", "UpdateBookRequest", "BookResponse", 'patch: "/v1/changes" body: "*"')
    + _method("PutBook", "PutBookRequest", "BookResponse", 'put: "/v1/books/{book_id}" body: "book"')
    + _method("ReplaceBook", "ReplaceBookRequest", "BookResponse", 'put: "/v1/bare/{book_id}" body: "book"')
    + _method("DeleteBook", "BookRequest", "Note", 'delete: "/v1/books/{book_id}"')
    + _method("DeleteNote", "ReplaceBookRequest", "Note", 'delete: "/v1/notes/{book_id}"')
    + _method("LendBook", "LendRequest", "BookResponse", 'post: "/v1/books/{book_id}:lend" body: "*"')
    + _method("ReturnBook", "ReturnRequest", "BookResponse", 'post: "/v1/books/{book_id}:return" body: "*"')
    + _method("SearchBooks", "ListBooksRequest", "ListBooksResponse", 'post: "/v1/books:search" body: "*"')
    + _method("WriteNote", "ListBooksRequest", "Note", 'post: "/v1/notes" body: "*"')
    + _method(
        "CreateBook",
        "CreateBookRequest",
        "BookResponse",
        'post: "/v1/books" body: "book" additional_bindings { post: "/v1/orders" body: "*" }',
        f"idempotency: IDEMPOTENCY_REQUEST_ID {_CREATED}",
    )
    + _method(
        "CreateNote", "Note", "Note", 'post: "/v1/shared" body: "*"', "idempotency: IDEMPOTENCY_NATURAL"
    )
    + _method(
        "PatchLenient",
        "UpdateBookRequest",
        "BookResponse",
        'patch: "/v1/lenient/{book.book_id}" body: "book"',
        "http { json: JSON_MODE_LENIENT }",
    )
    + "}\n"
)
SERVICE = FILE.services_by_name["LibraryService"]


def message(name: str, **values: Any) -> Any:
    """A message of the contract."""
    return GetMessageClass(FILE.message_types_by_name[name])(**values)


@dataclass
class Handlers:
    """Keeps books in a dict, and each request that came.

    Attributes:
        books: By id.
        requests: What came, in order.
        answer: The next response of `FetchBook`, `SearchBooks`, `WriteNote` or `ListBooks`.
        headers: What `GetBook` sets as response headers.
    """

    database: Database
    books: dict[str, Any] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    answer: Any = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    def _find(self, request: Any, book_id: str, etag: str = "") -> Any:
        self.requests.append(request)
        book = self.books.get(book_id)
        if book is None:
            raise Refusal(Kind.NOT_FOUND, "BOOK_NOT_FOUND", "There is no such book.")
        if etag and etag != book.etag:
            raise Refusal(Kind.CONFLICT, "BOOK_ETAG_MISMATCH", "The book is another one by now.")
        return book

    async def GetBook(self, request: Any, call: Call) -> Any:
        call.response_headers.extend(self.headers)
        return message("BookResponse", book=self._find(request, request.book_id))

    async def ReadBook(self, request: Any, call: Call) -> Any:
        return message("BookResponse", book=self._find(request, request.book_id))

    async def FetchBook(self, request: Any, call: Call) -> Any:
        return self._find(request, request.book_id)

    async def GetNote(self, request: Any, call: Call) -> Any:
        return message("Note", text=request.book_id)

    async def CreateNote(self, request: Any, call: Call) -> Any:
        self.requests.append(request)
        return request

    async def ListBooks(self, request: Any, call: Call) -> Any:
        self.requests.append(request)
        return self.answer

    SearchBooks = WriteNote = ListBooks

    def _change(self, request: Any) -> Any:
        book = self._find(request, request.book.book_id, request.book.etag)
        merge(request.update_mask, request.book, book)
        return message("BookResponse", book=book)

    async def UpdateBook(self, request: Any, call: Call) -> Any:
        return self._change(request)

    ChangeBook = PatchLenient = UpdateBook

    async def PutBook(self, request: Any, call: Call) -> Any:
        book = self._find(request, request.book_id, request.book.etag)
        book.title = request.book.title
        return message("BookResponse", book=book)

    ReplaceBook = PutBook

    async def DeleteBook(self, request: Any, call: Call) -> Any:
        book = self._find(request, request.book_id, request.etag)
        if request.reason == "platform":
            raise Refusal(Kind.CONFLICT, "ETAG_MISMATCH", "The book is another one by now.")
        return message("Note", text=book.title)

    async def DeleteNote(self, request: Any, call: Call) -> Any:
        self.requests.append(request)
        return message("Note")

    async def LendBook(self, request: Any, call: Call) -> Any:
        return message("BookResponse", book=self._find(request, request.book_id, request.etag))

    ReturnBook = LendBook

    async def CreateBook(self, request: Any, call: Call) -> Any:
        self.requests.append(request)
        book = message("Book")
        book.CopyFrom(request.book)
        book.book_id = request.book.title
        if book.book_id in self.books and not request.validate_only:
            raise Refusal(Kind.EXISTS, "BOOK_EXISTS", "There is such a book.")
        response = message("BookResponse", book=book)
        if request.validate_only:
            response.book.book_id = ""
        else:
            self.books[book.book_id] = book
        await self.database.transact(lambda connection: response)
        return response


class Keys:
    """Knows one key."""

    def authenticate(self, credential: str) -> Principal:
        assert credential == KEY
        return Principal("key:one", "tenant", frozenset({"shop.all"}))


@dataclass
class Library:
    """An open door with the library behind it."""

    address: str
    handlers: Handlers

    @property
    def asked(self) -> Any:
        """The last request that a handler got."""
        return self.handlers.requests[-1]


@asynccontextmanager
async def open_library(folder: Path, **given: Any) -> AsyncIterator[Library]:
    """A library with one book, `moby`, of etag `1`; it ends with the test."""
    database = Database.open(sqlite_url(folder), pool=2)
    migrate(database, tables.NAME, tables.SCHEMA)
    telemetry = Telemetry(log=LogWriter(Log()))
    handlers = Handlers(database)
    handlers.books["moby"] = message(
        "Book",
        book_id="moby",
        title="Moby Dick",
        etag="1",
        isbn="111",
        author={"name": "Melville", "display_name": "H. Melville", "rank": 3},
        tags=["sea", "whale"],
        labels={"shelf": "A"},
    )
    settings = Settings(http_address="127.0.0.1:0", **given)
    outcomes = Outcomes(database, registry=telemetry.registry)
    parts = Parts(authenticator=Keys(), settings=settings, outcomes=outcomes)
    methods = methods_of(Service("library", SERVICE, handlers), parts, telemetry, strict=True)
    door = HttpDoor(methods, settings, telemetry, lambda: True)
    await door.start()
    try:
        yield Library(door.address, handlers)
    finally:
        await door.stop(0)
        await database.close()
        telemetry.log.close()
