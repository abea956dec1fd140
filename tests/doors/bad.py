"""What is wrong with a call, and what every door must say to it: the table of the tests beside it."""

from dataclasses import dataclass, replace

from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.rates.v1 import rates_pb2
from tests.doors.asking import Ask, Http, raw, said
from tests.doors.books import (
    INT64_MAX,
    LEDGER,
    NOBODY,
    READER,
    STRANGER,
    WRITER,
    entries,
    post,
    sale,
)

# Above the contract's 4 MiB, and below what gRPC itself cuts off.
LARGE = 10_000_000


@dataclass(frozen=True, slots=True)
class Bad:
    """A call that is refused.

    Attributes:
        ask: The call.
        code: Name of the gRPC code.
        http_status: The HTTP status.
        reason: The refusal's reason.
        words: What its sentence says about mending it.
        field: The first field that it names; empty: it is about none.
    """

    ask: Ask
    code: str
    http_status: int
    reason: str
    words: tuple[str, ...]
    field: str = ""


def malformed(ask: Ask, *words: str) -> Bad:
    """What is no message at all."""
    return Bad(ask, "INVALID_ARGUMENT", 400, "MALFORMED_REQUEST", words)


def invalid(ask: Ask, field: str, *words: str) -> Bad:
    """What breaks a rule of the contract."""
    return Bad(ask, "INVALID_ARGUMENT", 400, "INVALID_REQUEST", words, field)


def missing(ask: Ask, reason: str, field: str, *words: str) -> Bad:
    """What is about something that is not there."""
    return Bad(ask, "NOT_FOUND", 404, reason, words, field)


def wire(data: bytes) -> Ask:
    """Bytes for PostTransactions, in protobuf only."""
    return raw(post(sale()), WRITER, wire=data)


def body(text: str | bytes) -> Ask:
    """A body for PostTransactions, in JSON only."""
    return raw(post(sale()), WRITER, body=text.encode() if isinstance(text, str) else text)


def entry(text: str) -> Ask:
    """One entry of a transaction in JSON."""
    return body(f'{{"transactions":[{{"transaction_id":"a","entries":[{text}]}}]}}')


def get(target: str) -> Ask:
    """A GET, over HTTP only."""
    return Ask("", None, Http("GET", target), WRITER)


def posting(request: pb.PostTransactionsRequest, key: str = WRITER) -> Ask:
    """A call of PostTransactions."""
    return said(request, key)


def with_headers(ask: Ask, *headers: tuple[str, str]) -> Ask:
    """The call with further HTTP headers, and on that door only."""
    assert ask.http is not None
    return replace(ask, wire=None, http=replace(ask.http, headers=headers))


GOOD = posting(post(sale()))
GET_LEDGER = pb.GetLedgerRequest(ledger_id=LEDGER)
NEW = pb.Account(account_id="new", type=pb.ACCOUNT_TYPE_ASSET, currency=pb.Currency(code="EUR", scale=2))


def account(**changed: object) -> Ask:
    """A call of CreateAccount."""
    made = pb.Account()
    made.CopyFrom(NEW)
    for name, value in changed.items():
        if isinstance(value, pb.Currency):
            made.currency.CopyFrom(value)
        else:
            setattr(made, name, value)
    return said(pb.CreateAccountRequest(ledger_id=LEDGER, account=made), WRITER)


def transaction(debited: str, credited: str, amount: int, credited_amount: int | None = None) -> Ask:
    """A call that posts one transaction."""
    listed = entries(debited, credited, amount, credited_amount)
    return posting(post(pb.Transaction(transaction_id="bad", entries=listed)))


SHAPE = {
    "bytes that are no message": malformed(wire(b"\xff\xff\xff"), "contract"),
    "a message that is cut off": malformed(wire(post(sale()).SerializeToString()[:-3]), "contract"),
    "a text in protobuf that is not UTF-8": malformed(wire(b"\x0a\x02\xff\xfe"), "contract"),
    "protobuf nested 5000 deep": malformed(wire(b"\x23" * 5_000), "contract"),
    "a length beyond the end": malformed(wire(b"\x0a\xff\xff\xff\xff\x0f"), "contract"),
    "wrong types in protobuf, which are unknown fields": invalid(
        wire(b"\x08\x01\x10\x01"), "ledger_id", "set it"
    ),
    "half a JSON document": malformed(body('{"transactions":['), "line 1, column"),
    "no JSON": malformed(body("transactions: 1"), "line 1, column 1", "send one JSON value"),
    "two JSON documents": malformed(body("{} {}"), "column 4", "send one JSON value"),
    "JSON of other dialects": malformed(body("{'mode': NaN,}"), "column 2"),
    "JSON that is not UTF-8": malformed(body(b'{"mode":"\xff"}'), "byte 9", "encode it as UTF-8"),
    "half a character": malformed(body('{"mode":"\\ud800"}'), "column"),
    "lists nested 5000 deep": malformed(body("[" * 5_000), "64 deep", "flatter"),
    "objects nested 5000 deep": malformed(body('{"a":' * 5_000 + "1" + "}" * 5_000), "64 deep", "flatter"),
    "a list for an object": invalid(body("[]"), "", "Send an object, not a list"),
    "null for an object": invalid(body("null"), "", "Send an object"),
    "an empty object": invalid(body("{}"), "transactions", "required", "add at least one"),
    "an empty body": invalid(body(""), "transactions", "required", "add at least one"),
    "a number for a list": invalid(body('{"transactions":7}'), "transactions", "Send a list"),
    "a boolean for a number": invalid(
        entry('{"amount_minor":true}'), "transactions[0].entries[0].amount_minor", "Send a whole number"
    ),
    "a fraction for a whole number": invalid(
        entry('{"amount_minor":1.5}'), "transactions[0].entries[0].amount_minor", "without a fraction"
    ),
    "a number for a text": invalid(
        entry('{"account_id":7}'), "transactions[0].entries[0].account_id", "Send a"
    ),
    "a number beyond 64 bits": invalid(
        entry('{"amount_minor":"9223372036854775808"}'),
        "transactions[0].entries[0].amount_minor",
        "to 9223372036854775807",
    ),
    "a number of 4000 digits": malformed(
        entry('{"amount_minor":%s}' % ("9" * 4_000)), "line 1, column 67", "send a smaller one"
    ),
    "a name that is no side": invalid(
        entry('{"side":"LEFT"}'), "transactions[0].entries[0].side", "SIDE_DEBIT, SIDE_CREDIT"
    ),
    "a time that is none": invalid(
        body('{"transactions":[{"effective_time":"yesterday"}]}'),
        "transactions[0].effective_time",
        "RFC 3339",
    ),
    "an unknown field": invalid(body('{"mood":1}'), "mood", "did you mean mode?"),
    "an unknown field below": invalid(
        entry('{"amount":1}'), "transactions[0].entries[0].amount", "There is no such field"
    ),
    "a key twice": invalid(body('{"mode":1,"mode":1}'), "mode", "twice", "send it once"),
    "one field under both its names": invalid(
        entry('{"account_id":"a","accountId":"a"}'), "transactions[0].entries[0].account_id", "once"
    ),
    "a field in the path and in the body": invalid(
        body('{"ledger_id":"main"}'), "ledger_id", "in the path only"
    ),
    "10 MB": Bad(
        replace(GOOD, wire=bytes(LARGE), http=Http("POST", GOOD.http.target, bytes(LARGE))),  # type: ignore[union-attr]
        "RESOURCE_EXHAUSTED",
        413,
        "MESSAGE_TOO_LARGE",
        ("4194304", "send less in one call"),
    ),
    "a content type that is not JSON": Bad(
        with_headers(GOOD, ("content-type", "text/plain")),
        "INVALID_ARGUMENT",
        415,
        "CONTENT_TYPE_UNSUPPORTED",
        ("send `content-type: application/json`",),
    ),
    "no content type": Bad(
        with_headers(GOOD, ("content-type", "-")),
        "INVALID_ARGUMENT",
        415,
        "CONTENT_TYPE_UNSUPPORTED",
        ("send `content-type: application/json`",),
    ),
    "a compressed body": Bad(
        with_headers(GOOD, ("content-encoding", "gzip")),
        "INVALID_ARGUMENT",
        400,
        "CONTENT_ENCODING_INVALID",
        ("content-encoding",),
    ),
    "a parameter that is no number": invalid(get("/v1/ledgers?page_size=x"), "page_size", "such as 42"),
    "an unknown parameter": invalid(get("/v1/ledgers?pagesize=1"), "pagesize", "did you mean page_size?"),
    "a parameter twice": invalid(get("/v1/ledgers?page_size=1&page_size=1"), "page_size", "send it once"),
    "an escape that is none": Bad(
        get("/v1/ledgers/%zz"), "INVALID_ARGUMENT", 400, "HTTP_MALFORMED", ("two hexadecimal digits",)
    ),
    "an escape that is not UTF-8": Bad(
        get("/v1/ledgers/%ff"), "INVALID_ARGUMENT", 400, "HTTP_MALFORMED", ("UTF-8",)
    ),
    "a timeout that is none": Bad(
        with_headers(GOOD, ("grpc-timeout", "soon")),
        "INVALID_ARGUMENT",
        400,
        "HTTP_MALFORMED",
        ("grpc-timeout", "such as 2500m"),
    ),
}

CALLER = {
    "no key": Bad(
        replace(GOOD, key=""),
        "UNAUTHENTICATED",
        401,
        "CREDENTIAL_MISSING",
        ("send `authorization: Bearer <key>`",),
    ),
    "a key that is not known": Bad(
        replace(GOOD, key=NOBODY), "UNAUTHENTICATED", 401, "CREDENTIAL_INVALID", ("key", "Bearer <key>")
    ),
    "a key without the scope": Bad(
        replace(GOOD, key=READER),
        "PERMISSION_DENIED",
        403,
        "SCOPE_MISSING",
        ("use one that has: ledger.write",),
    ),
    "another tenant's ledger": missing(
        said(GET_LEDGER, STRANGER), "LEDGER_NOT_FOUND", "ledger_id", "create it first, or check the id"
    ),
    "another tenant's account": missing(
        said(pb.GetAccountRequest(ledger_id=LEDGER, account_id="cash:EUR"), STRANGER),
        "LEDGER_NOT_FOUND",
        "ledger_id",
        "create it first, or check the id",
    ),
    "another tenant's transaction": missing(
        posting(post(sale(name="posted")), STRANGER), "LEDGER_NOT_FOUND", "ledger_id", "check the id"
    ),
    "a deadline that has passed": Bad(
        replace(GOOD, late=True), "DEADLINE_EXCEEDED", 504, "DEADLINE_EXCEEDED", ("give it more time",)
    ),
    "a method that there is none of": Bad(
        replace(GOOD, path="/bedplate.ledger.v1.LedgerService/Nothing", http=None),
        "UNIMPLEMENTED",
        501,
        "METHOD_NOT_FOUND",
        ("check its name against the contract",),
    ),
    "a service that there is none of": Bad(
        replace(GOOD, path="/bedplate.nothing.v1.NothingService/Get", http=None),
        "UNIMPLEMENTED",
        501,
        "METHOD_NOT_FOUND",
        ("check its name against the contract",),
    ),
    "a path that there is none of": Bad(
        get("/v1/nothing"), "NOT_FOUND", 404, "ROUTE_NOT_FOUND", ("/reference",)
    ),
    "an HTTP method that the path has not": Bad(
        replace(get("/v1/ledgers"), http=Http("DELETE", "/v1/ledgers")),
        "UNIMPLEMENTED",
        405,
        "HTTP_METHOD_NOT_ALLOWED",
        ("use one of: GET, HEAD, OPTIONS, POST",),
    ),
    "a method that is not for HTTP": Bad(
        replace(GOOD, wire=None, http=Http("POST", "/bedplate.ledger.v1.LedgerService/StreamEntries", b"{}")),
        "NOT_FOUND",
        404,
        "ROUTE_NOT_FOUND",
        ("/reference",),
    ),
}

FIELDS = {
    "nothing that is required": invalid(
        posting(pb.PostTransactionsRequest(ledger_id=LEDGER)), "transactions", "required", "add at least one"
    ),
    "no currency": invalid(
        said(
            pb.CreateAccountRequest(
                ledger_id=LEDGER, account=pb.Account(account_id="new", type=pb.ACCOUNT_TYPE_ASSET)
            ),
            WRITER,
        ),
        "account.currency",
        "required",
        "set it",
    ),
    "a negative amount": invalid(
        transaction("cash:EUR", "sales:EUR", -5), "transactions[0].entries[0].amount_minor", "greater than 0"
    ),
    "no amount": invalid(
        transaction("cash:EUR", "sales:EUR", 0),
        "transactions[0].entries[0].amount_minor",
        "required",
        "set it",
    ),
    "one entry": invalid(
        posting(post(pb.Transaction(transaction_id="one", entries=sale().entries[:1]))),
        "transactions[0].entries",
        "at least 2 items",
    ),
    "201 entries": invalid(
        posting(post(pb.Transaction(transaction_id="many", entries=[sale().entries[0]] * 201))),
        "transactions[0].entries",
        "no more than 200 items",
    ),
    "1001 transactions": invalid(
        posting(post(*(sale(name=f"t{number}") for number in range(1_001)))),
        "transactions",
        "no more than 1000 items",
    ),
    "an id of other characters": invalid(
        said(pb.GetLedgerRequest(ledger_id="Main Books"), WRITER), "ledger_id", "^[a-z0-9][a-z0-9._-]{0,63}$"
    ),
    "an id with NUL": invalid(said(pb.GetLedgerRequest(ledger_id="a\0b"), WRITER), "ledger_id", "^[a-z0-9]"),
    "an id that is too long": invalid(account(account_id="a" * 129), "account.account_id", "128 characters"),
    "a text that is too long": invalid(
        account(display_name="x" * 257), "account.display_name", "256 characters"
    ),
    "a text with NUL": invalid(account(display_name="a\0"), "account.display_name", "^[^"),
    "a scale out of range": invalid(
        account(currency=pb.Currency(code="EUR", scale=19)), "account.currency.scale", "0", "18"
    ),
    "both limits": invalid(
        account(debits_must_not_exceed_credits=True, credits_must_not_exceed_debits=True),
        "account",
        "at most one of",
    ),
    "a page that is too large": invalid(
        said(pb.ListLedgersRequest(page_size=1_001), WRITER), "page_size", "0", "1000"
    ),
    "a page token that is made up": Bad(
        said(pb.ListLedgersRequest(page_token="made-up"), WRITER),
        "INVALID_ARGUMENT",
        400,
        "PAGE_TOKEN_INVALID",
        ("start again without it",),
        "page_token",
    ),
    "an enum value of no name": invalid(replace(account(type=77), http=None), "account.type", "defined"),
    "a day that is none": invalid(
        said(
            pb.GetBalanceRequest(
                ledger_id=LEDGER,
                account_id="cash:EUR",
                convert_to=pb.Conversion(currency=pb.Currency(code="USD"), date="2026-02-30"),
            ),
            WRITER,
        ),
        "convert_to.date",
        "calendar",
    ),
}

BOOKS = {
    "an unknown ledger": missing(
        posting(post(sale(), ledger_id="nowhere")), "LEDGER_NOT_FOUND", "ledger_id", "create it first"
    ),
    "an unknown account": missing(
        transaction("cash:EUR", "sales:nowhere", 5),
        "ACCOUNT_NOT_FOUND",
        "transactions[0].entries[1].account_id",
        "create it first, or check the id",
    ),
    "an unknown transaction": missing(
        said(pb.GetTransactionRequest(ledger_id=LEDGER, transaction_id="nothing"), WRITER),
        "TRANSACTION_NOT_FOUND",
        "transaction_id",
        "check the id",
    ),
    "debits that are not the credits": Bad(
        transaction("cash:EUR", "sales:EUR", 5, 4),
        "INVALID_ARGUMENT",
        400,
        "UNBALANCED_TRANSACTION",
        ("Debits of 5 and credits of 4 EUR", "must be equal"),
        "transactions[0].entries",
    ),
    "two currencies that do not balance": Bad(
        transaction("cash:EUR", "sales:JPY", 5),
        "INVALID_ARGUMENT",
        400,
        "UNBALANCED_TRANSACTION",
        ("Debits of 5 and credits of 0 EUR", "must be equal"),
        "transactions[0].entries",
    ),
    "an account on both sides": Bad(
        transaction("cash:EUR", "cash:EUR", 5),
        "INVALID_ARGUMENT",
        400,
        "ACCOUNT_ON_BOTH_SIDES",
        ("post the difference, on one side",),
        "transactions[0].entries[1].account_id",
    ),
    "one more than 2**63 - 1": Bad(
        transaction("full:debits", "sales:EUR", 1),
        "OUT_OF_RANGE",
        400,
        "BALANCE_OVERFLOW",
        (str(INT64_MAX), "use a fresh account"),
        "transactions[0].entries[0].amount_minor",
    ),
    "2**63 - 1 more than 2**63 - 1": Bad(
        transaction("cash:EUR", "full:credits", INT64_MAX),
        "OUT_OF_RANGE",
        400,
        "BALANCE_OVERFLOW",
        (str(INT64_MAX), "use a fresh account"),
        "transactions[0].entries[0].amount_minor",
    ),
    "more than there is": Bad(
        transaction("wallet", "sales:EUR", 1),
        "FAILED_PRECONDITION",
        400,
        "LIMIT_EXCEEDED",
        ("may be debited 0 more",),
        "transactions[0].entries[0].amount_minor",
    ),
    "an id that another transaction has": Bad(
        posting(post(sale(amount_minor=6, name="posted"))),
        "ALREADY_EXISTS",
        409,
        "TRANSACTION_EXISTS",
        ("use a fresh transaction_id, or send what was sent then",),
        "transactions[0].entries[0].amount_minor",
    ),
    "one id twice in a call": Bad(
        posting(post(sale(), sale())),
        "INVALID_ARGUMENT",
        400,
        "DUPLICATE_TRANSACTION_ID",
        ("give each transaction its own",),
        "transactions[1].transaction_id",
    ),
    "an id that another ledger has": Bad(
        said(pb.CreateLedgerRequest(ledger_id=LEDGER, display_name="Other"), WRITER),
        "ALREADY_EXISTS",
        409,
        "LEDGER_EXISTS",
        ("choose another id, or send what was sent then",),
        "display_name",
    ),
    "an id that another account has": Bad(
        account(account_id="cash:EUR", display_name="Other"),
        "ALREADY_EXISTS",
        409,
        "ACCOUNT_EXISTS",
        ("choose another id, or send what was sent then",),
        "account.display_name",
    ),
    "another scale": Bad(
        account(currency=pb.Currency(code="EUR", scale=3)),
        "ALREADY_EXISTS",
        409,
        "CURRENCY_SCALE_DIFFERS",
        ("EUR", "scale 2"),
        "account.currency.scale",
    ),
    "a day without a rate": Bad(
        said(
            pb.GetBalanceRequest(
                ledger_id=LEDGER,
                account_id="cash:EUR",
                convert_to=pb.Conversion(currency=pb.Currency(code="USD", scale=2)),
            ),
            WRITER,
        ),
        "FAILED_PRECONDITION",
        400,
        "RATE_NOT_AVAILABLE",
        ("USD", "check the currency code"),
        "convert_to.currency.code",
    ),
    "a rate that is none": Bad(
        said(
            rates_pb2.ImportRatesRequest(
                source="test", rates=[rates_pb2.Rate(base="EUR", quote="USD", date="2026-11-20", value="1e3")]
            ),
            WRITER,
        ),
        "INVALID_ARGUMENT",
        400,
        "RATE_INVALID",
        ("such as 1.0842",),
        "rates[0].value",
    ),
    "a currency that nobody knows": missing(
        said(rates_pb2.GetRateRequest(base="EUR", quote="XXX"), WRITER),
        "CURRENCY_UNKNOWN",
        "base",
        "check",
    ),
}

BAD = SHAPE | CALLER | FIELDS | BOOKS
