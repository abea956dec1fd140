"""Fields: what may be sent and what may be answered, as the contract says of each field."""

from itertools import count
from typing import Any

import pytest
from google.api import field_behavior_pb2  # noqa: F401
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.contract.masks import PATHS_MAX, merge
from bedplate.contract.policy import PolicyError
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import Parts
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.pipeline.making import Anyone
from tests.pipeline.running import detail, fail
from tests.protos import add_file, field

_number = count(1)
READER = Principal("key:reader", "tenant-a", frozenset({"x.read"}))


def behaves(*names: str) -> str:
    return " ".join(f"[google.api.field_behavior]: {name}" for name in names)


def _map_entry(name: str, kind: str) -> str:
    return (
        f'nested_type {{ name: "{name}" options {{ map_entry: true }} '
        f"{field('key', 1, 'string')} {field('value', 2, kind)} }}\n"
    )


class Library:
    """A service of books with a method of each sort; handlers answer with what they got."""

    def __init__(self, *, strict: bool = False, more: str = "", update: str = "") -> None:
        package = f"tests.library{next(_number)}.v1"
        self._package = package
        self.file = add_file(
            f'name: "{package}.proto" package: "{package}"\n'
            'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
            'dependency: "google/api/field_behavior.proto" dependency: "google/protobuf/field_mask.proto"\n'
            'message_type { name: "Shelf"\n'
            + field("label", 1, "string", "[buf.validate.field] { string { max_len: 5 } }")
            + field("seen", 2, "string", behaves("OUTPUT_ONLY"))
            + field("country", 3, "string", behaves("IMMUTABLE"))
            + '}\nmessage_type { name: "Book"\n'
            + field("name", 1, "string", behaves("IDENTIFIER"))
            + field(
                "title",
                2,
                "string",
                f"{behaves('REQUIRED')} [buf.validate.field] {{ string {{ min_len: 2 }} }}",
            )
            + field(
                "created",
                3,
                "string",
                f"{behaves('OUTPUT_ONLY')} [buf.validate.field] {{ string {{ max_len: 3 }} }}",
            )
            + field("author", 4, "string", behaves("IMMUTABLE"))
            + field("shelf", 5, f".{package}.Shelf")
            + field("tags", 6, "string", repeated=True)
            + field("parts", 7, f".{package}.Book", repeated=True)
            + field("shelves", 8, f".{package}.Book.ShelvesEntry", repeated=True)
            + field("pin", 9, "string", behaves("INPUT_ONLY"))
            + field("pages", 10, "int32", "[buf.validate.field] { int32 { gte: 1 } }")
            + _map_entry("ShelvesEntry", f".{package}.Shelf")
            + '}\nmessage_type { name: "CreateBookRequest"\n'
            + field("book_id", 1, "string")
            + field("book", 2, f".{package}.Book")
            + '}\nmessage_type { name: "BatchCreateBooksRequest"\n'
            + field("requests", 1, f".{package}.CreateBookRequest", repeated=True)
            + '}\nmessage_type { name: "UpdateBookRequest"\n'
            + field("book", 1, f".{package}.Book", behaves("REQUIRED"))
            + field("update_mask", 2, ".google.protobuf.FieldMask")
            + update.replace("PACKAGE", package)
            + '}\nmessage_type { name: "BatchUpdateBooksRequest"\n'
            + field("requests", 1, f".{package}.UpdateBookRequest", repeated=True)
            + '}\nmessage_type { name: "Plain"\n'
            + field("text", 1, "string")
            + "}\n"
            + more
            + 'service { name: "LibraryService" options { [bedplate.v1.service] { defaults '
            '{ auth { all_scopes: "x.read" } } } }\n'
            + "".join(
                f'method {{ name: "{name}" input_type: ".{package}.{kind}" '
                f'output_type: ".{package}.{out}" }}\n'
                for name, kind, out in (
                    ("CreateBook", "CreateBookRequest", "Book"),
                    ("BatchCreateBooks", "BatchCreateBooksRequest", "Plain"),
                    ("UpdateBook", "UpdateBookRequest", "Book"),
                    ("BatchUpdateBooks", "BatchUpdateBooksRequest", "Plain"),
                    ("Note", "Plain", "Plain"),
                )
            )
            + "}\n"
        )
        self.got: list[Any] = []
        self.answer: Any = None
        service = Service("library", self.file.services_by_name["LibraryService"], self)
        self.telemetry = Telemetry(log=LogWriter.open("/dev/null"))
        parts = Parts(authenticator=Anyone(READER), settings=Settings(), strict=strict)
        made = methods_of(service, parts, self.telemetry, strict=True)
        self.methods: dict[str, Method] = {name.rpartition("/")[2]: method for name, method in made.items()}

    def __getattr__(self, name: str) -> Any:
        """A message's class."""
        return GetMessageClass(self.file.message_types_by_name[name])

    async def _take(self, request: Any, call: Any) -> Any:
        self.got.append(request)
        return self.answer

    async def CreateBook(self, request: Any, call: Any) -> Any:
        return await self._take(request, call) or self.Book()

    async def BatchCreateBooks(self, request: Any, call: Any) -> Any:
        return await self._take(request, call) or self.Plain()

    UpdateBook = CreateBook
    BatchUpdateBooks = Note = BatchCreateBooks

    def call(self, method: str) -> Any:
        made = self.methods[method]
        return Call(method=made.name, door="grpc", decode=made.decode, metadata={"authorization": "Bearer x"})

    async def send(self, method: str, request: Any) -> Any:
        """What the handler got."""
        await self.methods[method].unary(self.call(method), request.SerializeToString())
        return self.got[-1]

    async def refusal(self, method: str, request: Any) -> list[tuple[str, str]]:
        """The fields that are wrong, and why."""
        failure = await fail(self.methods[method], self.call(method), request)
        assert failure.reason == "INVALID_REQUEST", failure
        return [(one.field, one.description) for one in detail(failure, "BadRequest").field_violations]

    async def update(self, *paths: str, **book: Any) -> list[tuple[str, str]]:
        """What is wrong with an update; nothing when it reached the handler."""
        request = self.UpdateBookRequest(
            book=self.Book(**({"title": "Emma", "pages": 1} | book)), update_mask=FieldMask(paths=paths)
        )
        before = len(self.got)
        try:
            await self.send("UpdateBook", request)
        except Exception:
            assert len(self.got) == before
            return await self.refusal("UpdateBook", request)
        return []


@pytest.fixture(scope="module")
def library() -> Library:
    return Library()


async def test_what_only_the_server_sets_is_passed_over_wherever_it_stands(library: Library) -> None:
    book = library.Book(
        title="Emma",
        pages=1,
        created="long past",  # would break its rule, were it looked at
        shelf=library.Shelf(label="A", seen="x"),
        parts=[library.Book(title="One", pages=1, created="y", shelf=library.Shelf(seen="x"))],
        shelves={"a": library.Shelf(label="B", seen="z")},
    )

    got = await library.send("CreateBook", library.CreateBookRequest(book=book))

    assert got.book == library.Book(
        title="Emma",
        pages=1,
        shelf=library.Shelf(label="A"),
        parts=[library.Book(title="One", pages=1, shelf=library.Shelf())],
        shelves={"a": library.Shelf(label="B")},
    )


async def test_an_identifier_is_passed_over_where_a_resource_is_created_and_taken_where_it_is_updated(
    library: Library,
) -> None:
    book = library.Book(
        name="books/1", title="Emma", pages=1, parts=[library.Book(name="books/2", title="In", pages=1)]
    )
    request = library.CreateBookRequest(book_id="1", book=book)

    created = await library.send("CreateBook", request)
    batch = await library.send("BatchCreateBooks", library.BatchCreateBooksRequest(requests=[request]))
    updated = await library.send("UpdateBook", library.UpdateBookRequest(book=book))

    assert (created.book.name, created.book.parts[0].name) == ("", "books/2")
    assert batch.requests[0].book.name == ""
    assert updated.book.name == "books/1"


def test_a_method_whose_messages_ask_for_nothing_has_no_such_stage(library: Library) -> None:
    assert "fields" not in library.methods["Note"].stages
    assert "fields" in library.methods["CreateBook"].stages


@pytest.mark.parametrize("path", ["title", "shelf", "shelf.label", "tags", "parts", "shelves", "*"])
async def test_a_mask_may_name_any_field_that_can_be_changed(library: Library, path: str) -> None:
    assert await library.update(path) == []


@pytest.mark.parametrize("paths", [("created",), ("shelf.seen", "title"), ("created", "created")])
async def test_a_mask_may_name_what_only_the_server_sets(library: Library, paths: tuple[str, ...]) -> None:
    assert await library.update(*paths, created="x") == []
    assert library.got[-1].book.created == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("titel", "Book has no field titel; did you mean title?"),
        ("shelf.lable", "Book has no field shelf.lable; did you mean shelf.label?"),
        ("nothing_like_it", "Book has no field nothing_like_it; leave it out."),
        ("", "Book has no field ; leave it out."),
        ("title.", "title is no message, so there is nothing below it; name title itself."),
        ("title.x", "title is no message, so there is nothing below it; name title itself."),
        ("tags.x", "tags is a list, so there is nothing below it; name tags itself."),
        ("parts.title", "parts is a list, so there is nothing below it; name parts itself."),
        ("shelves.a", "shelves is a map, so there is nothing below it; name shelves itself."),
        ("shelf.*", "Book has no field shelf.*; leave it out."),
        ("author", "The field author cannot be changed; leave it out of the mask."),
        ("name", "The field name cannot be changed; leave it out of the mask."),
        ("shelf.country", "The field shelf.country cannot be changed; leave it out of the mask."),
        ("x" * 200, f"Book has no field {'x' * 80}; leave it out."),
    ],
)
async def test_a_mask_that_cannot_be_is_refused_by_the_path(library: Library, path: str, why: str) -> None:
    assert await library.update("title", path) == [("update_mask.paths[1]", why)]


async def test_the_star_stands_alone(library: Library) -> None:
    ((where, why),) = await library.update("title", "*")

    assert (where, why) == ("update_mask.paths[1]", "The star stands for all fields; send it alone.")


async def test_a_mask_of_a_batch_is_refused_with_its_place(library: Library) -> None:
    item = library.UpdateBookRequest(
        book=library.Book(title="Emma", pages=1), update_mask=FieldMask(paths=["titel"])
    )

    ((where, _),) = await library.refusal(
        "BatchUpdateBooks",
        library.BatchUpdateBooksRequest(requests=[library.UpdateBookRequest(book=item.book), item]),
    )

    assert where == "requests[1].update_mask.paths[0]"


async def test_a_mask_has_a_bound(library: Library) -> None:
    assert await library.update(*["title"] * PATHS_MAX) == []
    ((where, why),) = await library.update(*["title"] * (PATHS_MAX + 1))

    assert where == f"update_mask.paths[{PATHS_MAX}]"
    assert "has 1001 paths and may have 1000" in why


async def test_many_wrong_paths_are_not_all_listed(library: Library) -> None:
    assert len(await library.update(*["titel"] * 100)) == 20


@pytest.mark.parametrize(
    ("paths", "book", "wrong"),
    [
        # Required, and rules, are asked of what the update changes.
        (("tags",), {"title": "", "pages": 0}, []),
        (("title",), {"title": "", "pages": 0}, ["book.title"]),
        (("title",), {"title": "x", "pages": 0}, ["book.title"]),
        (("pages", "tags"), {"title": "", "pages": 0}, ["book.pages"]),
        (("shelf",), {"title": "", "pages": 0, "shelf": {"label": "too long"}}, ["book.shelf.label"]),
        (("shelf.label",), {"title": "", "pages": 0, "shelf": {"label": "too long"}}, ["book.shelf.label"]),
        (("shelf.seen",), {"title": "", "pages": 0, "shelf": {"label": "too long"}}, []),
        (("*",), {"title": "", "pages": 0}, ["book.title", "book.pages"]),
        ((), {"title": "", "pages": 0}, []),
        ((), {"title": "x", "pages": -1}, ["book.title", "book.pages"]),
        ((), {"shelf": {"label": "too long"}, "title": "", "pages": 0}, ["book.shelf.label"]),
    ],
)
async def test_rules_are_asked_of_what_an_update_changes(
    library: Library, paths: tuple[str, ...], book: dict[str, Any], wrong: list[str]
) -> None:
    assert [where for where, _ in await library.update(*paths, **book)] == wrong


async def test_an_update_without_its_resource_is_refused(library: Library) -> None:
    request = library.UpdateBookRequest(update_mask=FieldMask(paths=["title"]))

    assert [where for where, _ in await library.refusal("UpdateBook", request)] == ["book"]


def test_a_mask_beside_two_messages_is_about_the_one_that_its_request_is_named_for() -> None:
    library = Library(update=field("other", 3, ".PACKAGE.Shelf"))

    assert "fields" in library.methods["UpdateBook"].stages


def test_a_mask_of_which_nobody_knows_what_it_is_about_stops_the_start() -> None:
    with pytest.raises(PolicyError, match="update_mask must stand beside one field that holds the resource"):
        Library(update=field("other", 3, ".PACKAGE.Book"))


@pytest.mark.parametrize(
    ("paths", "changed", "expected"),
    [
        (("title",), {"title": "New", "author": "Other"}, {"title": "New"}),
        (("title",), {}, {"title": ""}),
        ((), {"tags": ["b"], "author": "Other", "created": "now"}, {"tags": ["b"]}),
        ((), {"shelf": {"label": "B"}}, {"shelf": {"label": "B", "seen": "s", "country": "IS"}}),
        (
            ("shelf.label",),
            {"shelf": {"label": "B"}},
            {"shelf": {"label": "B", "seen": "s", "country": "IS"}},
        ),
        (("shelf.label",), {}, {"shelf": {"seen": "s", "country": "IS"}}),
        (("shelf",), {}, {"shelf": {"seen": "s", "country": "IS"}}),
        (
            ("shelf", "created"),
            {"shelf": {"country": "NO"}, "created": "now"},
            {"shelf": {"seen": "s", "country": "IS"}},
        ),
        (
            ("tags", "shelves"),
            {"shelves": {"n": {"label": "N"}}},
            {"tags": [], "shelves": {"n": {"label": "N"}}},
        ),
        (
            ("*",),
            {"title": "New"},
            {"title": "New", "pages": 0, "tags": [], "shelves": {}, "shelf": {"seen": "s", "country": "IS"}},
        ),
        (("created",), {"created": "now"}, {}),
    ],
)
def test_a_mask_is_done_to_a_stored_resource(
    library: Library, paths: tuple[str, ...], changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = {
        "name": "books/1",
        "title": "Old",
        "created": "then",
        "author": "Ann",
        "shelf": {"label": "A", "seen": "s", "country": "IS"},
        "tags": ["a"],
        "shelves": {"o": {"label": "O"}},
        "pages": 3,
    }
    stored = library.Book(**before)

    merge(FieldMask(paths=paths), library.Book(**changed), stored)

    assert stored == library.Book(**(before | expected))


async def answered(library: Library, book: Any) -> str:
    """How a call ends whose handler answers with this book."""
    library.answer = book
    method, call = library.methods["CreateBook"], library.call("CreateBook")
    request = library.CreateBookRequest(book=library.Book(title="Emma", pages=1))
    try:
        await method.unary(call, request.SerializeToString())
    except Exception as error:
        return str(error.__cause__)
    return "OK"


async def test_a_response_that_breaks_its_contract_is_a_bug_where_that_is_looked_for() -> None:
    library = Library(strict=True)
    wrong = library.Book(
        title="Emma",
        pages=1,
        pin="4711-secret",
        parts=[library.Book(title="x", pages=1, pin="4711-secret")],
        shelves={"a": library.Shelf(label="too long")},
    )

    text = await answered(library, wrong)

    assert text.startswith("The response of ")
    assert "/CreateBook breaks its contract: " in text
    assert "pin: This field is input-only; no response may have it." in text
    assert "parts[0].pin: This field is input-only" in text
    assert "parts[0].title: " in text
    assert 'shelves["a"].label: ' in text
    assert "4711-secret" not in text
    assert await answered(library, library.Book(title="Emma", pages=1)) == "OK"
    assert (
        await fail(library.methods["CreateBook"], library.call("CreateBook"), _request(library, wrong))
    ).fault


def _request(library: Library, answer: Any) -> Any:
    library.answer = answer
    return library.CreateBookRequest(book=library.Book(title="Emma", pages=1))


async def test_nobody_looks_for_it_in_production() -> None:
    library = Library(strict=False)

    assert await answered(library, library.Book(pin="4711", pages=-1)) == "OK"


async def test_a_mask_is_looked_at_before_the_rules(library: Library) -> None:
    wrong = await library.update("titel", "pages", pages=-1)

    assert [where for where, _ in wrong] == ["update_mask.paths[0]"]
