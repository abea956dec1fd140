"""Where to begin: inputs that are nearly right, by target."""

import gzip

import orjson
from google.protobuf.descriptor import FieldDescriptor

from tests.gateway.everything import EVERYTHING

_JSON = [
    b"{}",
    b'{"name":"a","part":{"name":"b"},"colours":["RED",2],"limit":-1,"flag":true}',
    b'{"at":"2026-11-22T16:30:00.5Z","span":"1.5s","mask":"name,part.name","note":"x","big":"9007199254740993"}',
    b'{"labels":{"a":"b"},"ratio":1e-3,"raw":"AQID","maybe":0,"tags":["x"],"parts":[{},{"limit":2}],"left":"l"}',
    b'{"detail":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}}',
]

_ANY = {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}
_SPECIAL: dict[str, object] = {
    "Timestamp": "2026-11-22T16:30:00.5Z",
    "Duration": "-1.5s",
    "FieldMask": "a,b.cD",
    "Struct": {"a": [1, None]},
    "Value": {"a": True},
    "ListValue": [1, "a"],
    "Any": _ANY,
    "BytesValue": "AQID",
    "BoolValue": True,
}


def _single(field: FieldDescriptor) -> object:
    if field.message_type is not None:
        if field.message_type.file.package == "google.protobuf":
            return _SPECIAL.get(field.message_type.name, "1")
        return {}
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    return "AQID" if field.type in (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_STRING) else 1


def _value(field: FieldDescriptor) -> object:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key = field.message_type.fields_by_name["key"].cpp_type
        text = {FieldDescriptor.CPPTYPE_BOOL: "true", FieldDescriptor.CPPTYPE_STRING: "a"}.get(key, "1")
        return {text: _single(field.message_type.fields_by_name["value"])}
    return [_single(field)] if field.is_repeated else _single(field)


SEEDS: dict[str, list[bytes]] = {
    "codec": [orjson.dumps({field.json_name: _value(field)}) for field in EVERYTHING.fields],
    "template": [b"/v1/{name=shelves/*/books/**}:read", b"/v1/*/{a.b}", b"/**"],
    "path": [b"v1/things/a%2Fb:mark", b"v1/boxes/7/things", b"a/b%20c/d", b"%zz", b"v1/stream"],
    "query": [
        b"name=a&part.name=b&colours=RED&colours=2&limit=-1&flag=true&at=2026-11-22T16%3A30%3A00Z&span=1.5s",
        b"mask=name,part.name&note=x&labels[a]=b&ratio=NaN&raw=AQID&maybe=0&tags=x&tags=y&big=9&left=l&right=2",
        b"fields=method,thing.name&$pretty=true",
    ],
    "body": _JSON,
    "headers": [
        b"accept\napplication/json;q=0.5, */*;q=0.1",
        b"accept-encoding\ngzip;q=1.0, br, identity;q=0",
        b"content-type\napplication/json; charset=utf-8",
        b"content-encoding\ngzip",
        b'if-match\n"a", W/"b"',
        b'idempotency-key\n"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        b"prefer\nreturn=minimal",
        b"origin\nhttps://a.example",
    ],
    "rpc": [
        b"application/json\n\n" + _JSON[1],
        b"application/proto\n\n\x0a\x01a\x20\x07",
        b"application/grpc-web+proto\n\n\0\0\0\0\x05\x0a\x01a\x20\x07",
        b"application/grpc-web-text\n\nAAAAAAUKAWEgBw==",
        b"application/connect+json\n\n\0\0\0\0\x02{}",
        b"application/grpc-web\ngzip\n\x01\0\0\0\x14" + gzip.compress(b"", mtime=0),
        b"application/proto; charset=utf-8\nbr\n\x06",
        b"\n\nconnect=v1&encoding=proto&base64=1&message=CgFhIAc&compression=gzip",
    ],
    "http": [
        b"GET /v1/things/a HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /v1/small HTTP/1.1\r\nhost: a\r\ncontent-type: text/json\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /v1/things HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n",
    ],
}
