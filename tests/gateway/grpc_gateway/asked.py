"""The requests that grpc-gateway was asked."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from urllib.parse import quote

from tests.gateway.grpc_gateway.texts import BODIES, JSON_BODIES, LISTS, ONLY_QUERY, QUERIES, SORTS, TIMES

MESSAGE = "conformance.v1.Everything"


@dataclass(frozen=True)
class Asked:
    """A request: fields and texts of the path, the query, and the body with what it is of the message."""

    path: tuple[tuple[str, str], ...] = ()
    query: str = ""
    select: str = ""
    body: str = ""

    def plain(self) -> dict[str, object]:
        return {"Message": MESSAGE, **{name.capitalize(): value for name, value in asdict(self).items()}}


def asked() -> Iterator[Asked]:
    """All of them, in the order of the answers that are kept."""
    yield from _paths_and_queries()
    yield from _bodies()
    yield from _paths_and_bodies()
    yield from _selected_bodies()


def _paths_and_queries() -> Iterator[Asked]:
    for name, texts in (SORTS | ONLY_QUERY).items():
        for text in texts:
            sent = quote(text, safe="")
            yield Asked(query=f"{name}={sent}")
            if name in SORTS:
                yield Asked(path=((name, text),))
    for text in ("x", "", "a/b"):
        yield from (Asked(path=((name, text),)) for name in ("part.name", "part.inside.name", "part.at"))
    for text in [*TIMES, ""]:
        yield Asked(path=(("part.at", text),))
    for name, text in LISTS.items():
        yield Asked(path=((name, text),))
        yield Asked(path=((name, f"{text},{text}"),))
    for text in (".5s", "1.s", ".s", "-.5s", "1,5s"):
        yield Asked(path=(("duration", text),))
    yield from (Asked(query=query) for query in QUERIES)
    for query in ("a_string=b", "a_int32=1", "aString=b", "part.name=b", "a_string[x]=1"):
        yield Asked(path=(("a_string", "a"),), query=query)
        yield Asked(path=(("part.name", "a"),), query=query)
    yield from (
        Asked(path=(("pick_text", "a"),), query=query) for query in ("pick_number=1", "pick_part.name=x")
    )


def _bodies() -> Iterator[Asked]:
    yield from (Asked(select="*", body=body) for body in BODIES)
    yield from (Asked(select="*", body=body) for body in JSON_BODIES)
    for name, texts in SORTS.items():
        for text in texts:
            yield Asked(select="*", body=json.dumps({name: text}, ensure_ascii=False))
    for body, query in product(
        ('{"a_string":"a"}', "{}", ""), ("a_int32=7", "a_int32=x", "unknown=1", "%zz=1")
    ):
        yield Asked(select="*", body=body, query=query)


def _paths_and_bodies() -> Iterator[Asked]:
    for body in (
        '{"a_string":"b"}',
        '{"aString":"b","a_int32":1}',
        '{"a_string":null}',
        '{"a_string":7}',
        "",
    ):
        yield Asked(path=(("a_string", "a"),), select="*", body=body)
    for body in ('{"part":{"name":"b","size":1}}', '{"part":null}', '{"part":{}}', "{}", ""):
        yield Asked(path=(("part.name", "a"),), select="*", body=body)
    for name, text in (
        ("timestamp", "1970-01-01T00:00:00Z"),
        ("w_int32", "0"),
        ("int32s", "1,2"),
        ("mask", "a"),
    ):
        for body in ('{"timestamp":"2026-11-22T10:00:00.5Z","w_int32":7,"int32s":[7],"mask":"b"}', "{}", ""):
            yield Asked(path=((name, text),), select="*", body=body)
    for body in ('{"pick_text":"b"}', '{"pick_number":1}', '{"pick_part":{"name":"x"}}'):
        yield Asked(path=(("pick_text", "a"),), select="*", body=body)
        yield Asked(path=(("pick_part.name", "a"),), select="*", body=body)


def _selected_bodies() -> Iterator[Asked]:
    for body in ("", "null", "{}", '{"name":"b"}', '{"name":"b","x":1} y', "[]", '{"size":"7"}'):
        yield Asked(select="part", body=body)
        yield Asked(path=(("part.name", "a"),), select="part", body=body)
        yield Asked(
            path=(("a_string", "a"),), select="part", body=body, query="a_int32=7&part.name=c&unknown=1"
        )
        yield Asked(select="part", body=body, query="part.size=7&partx=1&a_int32=T")
