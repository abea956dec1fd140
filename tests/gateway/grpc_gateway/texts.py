"""Texts of values, queries and bodies, near the edge of what is taken on either side of it."""

_INTEGERS = ["0", "7", "-7", "+7", "010", "0x10", "1e2", "1.0", " 7", "7 ", "", "-0", "--7", "1_000", "٣"]
_EDGES = ["2147483647", "2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775808"]
_EDGES += ["-9223372036854775808", "18446744073709551615", "18446744073709551616", "0" * 80 + "7", "9" * 80]
_FLOATS = ["1.5", "+1.5", "-.5", "5.", ".", "1e3", "1E-3", "1e400", "3.5e38", "NaN", "nan", "Infinity"]
_FLOATS += ["-Infinity", "+Infinity", "inf", "infinity", "0x1p4", "1_0", "", "1e", "-", "e1", "1e-400", "007"]
_BOOLEANS = ["true", "false", "1", "0", "t", "f", "T", "F", "True", "False", "TRUE", "FALSE"]
_BOOLEANS += ["tRUE", "yes", "on", "", "2", " true"]
_ENUMS = [
    "COLOUR_RED",
    "COLOUR_CRIMSON",
    "colour_red",
    "RED",
    "1",
    "+1",
    "01",
    "-1",
    "99",
    "1.0",
    "",
    "0",
    "x",
]
_BYTES = [
    "aGk=",
    "aGk",
    "_-8=",
    "_-8",
    "/+8=",
    "_/8=",
    "aGl",
    "a",
    "aGk==",
    "====",
    "",
    "!",
    "a Gk",
    "aG\nk=",
]
_BYTES += ["aGk=\n", "=aGk", "aG=k", "aGkaGk"]
TIMES = ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.123456789Z", "2026-11-22T10:00:00.5+02:00"]
TIMES += ["2026-11-22T10:00:00,5Z", "2026-11-22T10:00:00.1234567891Z", "2026-11-22t10:00:00z", "now", ""]
TIMES += ["2026-11-22T9:00:00Z", "2026-02-30T10:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22 10:00:00Z"]
TIMES += ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999999Z", "null"]
TIMES += ["9999-12-31T23:59:59-01:00", "2026-11-22T10:00:60Z", "2026-11-22T10:00:00", "2026-11-22", "0"]
TIMES += ['"2026-11-22T10:00:00Z"', "2026-11-22T10:00:00 02:00", "2026-11-22T10:00:00+2:00"]
_SPANS = [
    "1s",
    "1.5s",
    "1h",
    "1h30m",
    "1.5h",
    "-1.5s",
    "+2m",
    "1ms",
    "1us",
    "1µs",
    "1μs",
    "1ns",
    "0",
    "",
    "1",
]
_SPANS += [
    "1d",
    "s",
    ".s",
    ".5s",
    "1.s",
    "1s1s",
    "1.000000001s",
    "0.0000000001s",
    "1 s",
    "2562047h",
    "2562048h",
]
_SPANS += [
    "3.000000001s",
    "1.123456789123s",
    "9223372036854775807ns",
    "9223372036854775808ns",
    "null",
    "-0",
    "--1s",
]
_SPANS += [
    "315576000000s",
    "1e3s",
    "1.5",
    '"1s"',
    "99999999999999999999s",
    "0.1h0.1m0.1s",
    "01s",
    "00.5s",
    "-0s",
]
_MASKS = ["a", "a,b.c", "displayName", "display_name", "", ",", "a,,b", " a", "*", "a b"]
_JSON = ["{}", '{"a":1}', "null", "1", '"a"', "[]", "[1,{}]", "a", "", '{"a":1,"a":2}', "{} x", "true"]
_TEXTS = ["", "a", "null", "ü€", "a/b", "a%2Fb", "a,b", " "]
_EMPTY = ["", "{}", "x", "null"]

SORTS = {
    **dict.fromkeys(["a_int32", "a_sint32", "a_sfixed32", "a_uint32", "a_fixed32"], _INTEGERS + _EDGES),
    **dict.fromkeys(["a_int64", "a_uint64", "w_int64", "w_uint32", "maybe_int32"], _INTEGERS + _EDGES),
    **dict.fromkeys(["a_double", "a_float", "w_double", "w_float"], _FLOATS),
    **dict.fromkeys(["a_bool", "w_bool", "maybe_bool"], _BOOLEANS),
    **dict.fromkeys(["colour", "maybe_colour"], _ENUMS),
    **dict.fromkeys(["a_bytes", "w_bytes"], _BYTES),
    **dict.fromkeys(["a_string", "w_string", "maybe_string", "pick_text"], _TEXTS),
    "timestamp": TIMES,
    "duration": _SPANS,
    "mask": _MASKS,
}
ONLY_QUERY = {
    "struct": _JSON,
    "value": _JSON,
    "list": _JSON[:2],
    "any": ["{}"],
    "empty": _EMPTY,
    "part": ["x", ""],
}
LISTS = {
    "int32s": "7",
    "strings": "a,b",
    "colours": "COLOUR_RED",
    "bools": "T",
    "times": TIMES[0],
    "wrapped": "7",
}

QUERIES = [
    *(
        "unknown=1",
        "part.unknown=1",
        "part.inside.unknown=1",
        "unknown.name=x",
        "a_string.x=1",
        "part.name.x=1",
    ),
    *("aString=x", "a_string=x&aString=y", "aString=x&aString=y", "a_string=x&a_string=x", "anotherName=x"),
    *("renamed=x", "part.display_name=x", "part.displayName=x", "inside.part.displayName=x", "part.rank=0"),
    *("int32s=1&int32s=2", "int32s=1,2", "int32s=", "strings=a&strings=a", "colours=1&colours=COLOUR_BLUE"),
    *(
        "int32s=1&int32s=x",
        "parts=x",
        "parts.name=x",
        "times=x",
        "blobs=aGk=&blobs=_-8",
        "doubles=1&doubles=NaN",
    ),
    *("by_string[a]=b", "by_string[a]=b&by_string[c]=d", "by_string[a]=b&by_string[a]=c", "by_string=a"),
    *("byString[a]=b&by_string[c]=d", "byString[a]=b&by_string[a]=c", "by_string[]=a", "by_string[a][b]=c"),
    *("by_string[a.b]=c", "by_string[a=b", "by_string%5Ba%5D=b", "by_int32[1]=a", "by_int32[01]=a"),
    *("by_int32[x]=a", "by_bool[true]=a", "by_bool[T]=a", "part_by_name[a]=x", "part_by_name[a].name=x"),
    *("colour_by_name[a]=COLOUR_RED", "colour_by_name[a]=99", "count_by_name[a]=7", "part.labels[a]=b"),
    *("a_string[a]=b", "int32s[0]=1", "part[name]=x", "unknown[a]=b", "[a]=b", "by_string[a]"),
    *("pick_text=a&pick_number=1", "pick_number=1", "pick_part.name=x", "pick_part.name=x&pick_part.size=1"),
    *("pick_part.name=x&pick_text=a", "pick_text=", "pick_null=NULL_VALUE", "pick_null=0", "pick_null=null"),
    *("w_int32.value=7", "timestamp.seconds=7", "duration.nanos=7"),
    *(
        "a_string=a;a_int32=1",
        "a;b",
        "a_string=a%3Ba",
        "a_string=%zz",
        "%zz=1",
        "unknown=%zz",
        "a_string=a+b%2Bc",
    ),
    *(
        "&&a_string=a&",
        "=x",
        "a_string",
        "a_string=a=b",
        ".a_string=x",
        "a_string.=x",
        "part..name=x",
        "A_STRING=x",
    ),
    *(
        "any=x",
        "empty=",
        "empty=x",
        "empty.x=1",
        "inside.inside.a_int32=7",
        "part=",
        "mask=a&mask=b",
        "fields=x",
    ),
]

BODIES = [
    *(
        "",
        " ",
        "\n",
        "{}",
        "null",
        "[]",
        "1",
        '"a"',
        "{",
        "x",
        "{} x",
        '{"a_string":"a"} {"a_string":"b"}',
        "{}{}",
    ),
    *('{"unknown":1}', '{"a_string":"a","unknown":{"x":[1]}}', '{"part":{"unknown":1,"name":"x"}}'),
    *('{"parts":[{"unknown":1},{"name":"x"}]}', '{"part_by_name":{"a":{"unknown":1}}}', '{"aString":"a"}'),
    *(
        '{"aString":"a","a_string":"b"}',
        '{"a_string":"a","a_string":"b"}',
        '{"a_string":null}',
        '{"part":null}',
    ),
    *('{"colour":"COLOUR_RED"}', '{"colour":"NONE"}', '{"colour":1}', '{"colours":["NONE","COLOUR_RED"]}'),
    *(
        '{"colour":99}',
        '{"colours":[99]}',
        '{"colour_by_name":{"a":"NONE","b":"COLOUR_RED"}}',
        '{"colour":"1"}',
    ),
    *(
        '{"a_int32":"7"}',
        '{"a_int32":7.0}',
        '{"a_int32":7.5}',
        '{"a_int32":" 7"}',
        '{"a_int32":1e2}',
        '{"a_bool":"true"}',
    ),
    *(
        '{"a_int64":"9223372036854775807"}',
        '{"a_bool":1}',
        '{"a_double":"NaN"}',
        '{"a_double":"1.5"}',
        '{"a_bytes":"_-8"}',
    ),
    *(
        '{"pick_text":"a","pick_number":1}',
        '{"pick_text":null,"pick_number":1}',
        '{"pick_null":null}',
        '{"value":null}',
    ),
    *('{"timestamp":"2026-11-22T10:00:00Z"}', '{"duration":"1h"}', '{"mask":"displayName"}', '{"w_int32":7}'),
    *(
        '{"strings":[null]}',
        '{"by_string":{"a":null}}',
        '{"struct":{"a":[1]}}',
        '{"unknown":99,"unknown":99}',
    ),
    *('{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}', '{"empty":{"x":1}}'),
]


JSON_BODIES = [
    *(
        '{"a_int32":1e2}',
        '{"a_int32":1.0}',
        '{"a_int32":1e20}',
        '{"a_int64":"1e2"}',
        '{"a_int64":"1.0"}',
        '{"a_int32":-0}',
    ),
    *(
        '{"a_uint32":-0}',
        '{"a_uint32":-1}',
        '{"a_double":1e400}',
        '{"a_float":1e39}',
        '{"a_float":"1e39"}',
        '{"a_string":1}',
    ),
    *(
        '{"strings":null}',
        '{"strings":"a"}',
        '{"by_string":[]}',
        '{"by_bool":{"true":"a"}}',
        '{"by_bool":{"1":"a"}}',
    ),
    *(
        '{"by_int32":{"1":"a","01":"b"}}',
        '{"mask":["a"]}',
        '{"mask":{"paths":["a"]}}',
        '{"duration":{"seconds":1}}',
    ),
    *(
        '{"w_int32":{"value":7}}',
        '{"w_int32":null}',
        '{"maybe_int32":null}',
        '{"any":{}}',
        '{"any":{"@type":"x"}}',
    ),
    *(
        '{"struct":{"a":1,"a":2}}',
        '{"struct":null}',
        '{"list":null}',
        '{"value":{"a":[1,null]}}',
        '{"value":NaN}',
    ),
    *(
        '{"pick_null":"NULL_VALUE"}',
        '{"pick_null":0}',
        '{"a_string":"\\ud800"}',
        '{"a_string":"\\u0000"}',
        "\ufeff{}",
    ),
    *(
        '{"a_bytes":null}',
        '{"parts":[null]}',
        '{"times":[null]}',
        '{"colours":[null]}',
        '{"[foo.bar]":1}',
        '{"":1}',
    ),
    *(
        '{"a_string":"a",}',
        '{"a_string":"a"}//x',
        "{'a_string':'a'}",
        '{"A_STRING":"a"}',
        '{"a_string":"\t"}',
    ),
    *(
        '{"part":[]}',
        '{"part":"x"}',
        '{"part":{"name":{}}}',
        '{"a_bool":"T"}',
        '{"a_bool":"1"}',
        '{"a_string":true}',
    ),
    *(
        '{"anotherName":"x"}',
        '{"inside":{"inside":{"colour":99}}}',
        '{"colour":1.0}',
        '{"colour":1.5}',
        '{"colour":"99"}',
    ),
    *(
        '{"colour":null}',
        '{"colour":true}',
        '{"colour":2147483648}',
        '{"unknown":"\\ud800"}',
        '{"blobs":["aGl","_-8"]}',
    ),
    *(
        '{"mask":" a"}',
        '{"mask":"*"}',
        '{"a_int64":9007199254740993.0}',
        '{"by_int32":{"01":"a"}}',
        '{"any":{"value":1}}',
    ),
    *(
        '{"unknown":' + "[" * 70 + "]" * 70 + "}",
        '{"value":' + "[" * 20 + "]" * 20 + "}",
        '{"unknown":1e400}',
    ),
]
