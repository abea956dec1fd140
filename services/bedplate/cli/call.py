"""`bedplate call`: a call from the shell that knows contract and policy."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bedplate.cli.caller import Ca, Caller, KeyOption, Target, find_caller
from bedplate.cli.examples import examples
from bedplate.cli.exits import CALL_EXITS, Exit, Stop, tell
from bedplate.cli.methods import complete_method, find_method

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from bedplate.client.errors import CallError

EXAMPLES = examples(
    "bedplate call ledger.ListLedgers",
    """bedplate call ledger.GetBalance '{"ledgerId": "books", "accountId": "cash"}'""",
    "bedplate call ledger.PostTransactions @transactions.json",
    "bedplate call ledger.StreamEntries - < request.json > entries.ndjson",
    "Exit codes: 10 change the request, 11 key or scope, 12 not found, exists or wrong state,",
    "13 try again, 14 too late, 15 the server's fault.",
)
# A larger request is refused before it is read to the end.
REQUEST_BYTES_MAX = 64 * 1024 * 1024


def call(
    method: Annotated[
        str,
        typer.Argument(help="Such as ledger.GetBalance.", autocompletion=complete_method, metavar="METHOD"),
    ],
    json: Annotated[
        str,
        typer.Argument(
            help="The request as JSON; @FILE reads it from a file, - from standard input. "
            "A method that takes a stream takes one request a line.",
            metavar="JSON",
        ),
    ] = "{}",
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
    timeout_s: Annotated[
        float | None,
        typer.Option(help="Give up after this many seconds; left out: what the contract says.", min=0.001),
    ] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Print the answer on one line.")] = False,
) -> None:
    """Call a method and print its answer as JSON; a stream prints one line for each message."""
    descriptor = find_method(method)
    requests = _read_requests(descriptor, json)
    caller = find_caller(target, key, ca)
    asyncio.run(_call(caller, descriptor, requests, timeout_s, compact=compact))


def _read_requests(method: "MethodDescriptor", text: str) -> "list[Message]":
    from google.protobuf.message_factory import GetMessageClass

    from bedplate.client.ids import filled
    from bedplate.contract.policy import resolve
    from bedplate.errors import Refusal
    from bedplate.gateway.codec.decode import decoder

    decode = decoder(GetMessageClass(method.input_type))
    data = _read(text)
    documents = [line for line in data.splitlines() if line.strip()] if method.client_streaming else [data]
    found = []
    for number, document in enumerate(documents, 1):
        try:
            found.append(filled(decode(document), resolve(method)))
        except Refusal as refusal:
            where = f"line {number}: " if method.client_streaming else ""
            raise Stop(
                Exit.INVALID,
                f"{where}The JSON is no {method.input_type.name}: {refusal.sentence}",
                *tell(refusal.sentence, refusal.violations),
            ) from refusal
    return found


def _read(text: str) -> bytes:
    if text != "-" and not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text in ("-", "@-"):
        data = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    else:
        try:
            with Path(text[1:]).open("rb") as file:
                data = file.read(REQUEST_BYTES_MAX + 1)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Stop(Exit.USAGE, f"{text[1:]} cannot be read: {why}.") from error
    if len(data) > REQUEST_BYTES_MAX:
        raise Stop(Exit.INVALID, f"The request is larger than {REQUEST_BYTES_MAX} bytes.")
    return data


async def _call(
    caller: Caller,
    method: "MethodDescriptor",
    requests: "list[Message]",
    timeout_s: float | None,
    *,
    compact: bool,
) -> None:
    import grpc

    from bedplate.client.errors import from_rpc_error

    async with caller.connect(method.containing_service) as channel:
        try:
            async for answer in _answers(channel, method, requests, timeout_s):
                _print(answer, compact=compact or method.server_streaming)
        except grpc.aio.AioRpcError as error:
            raise _stop(from_rpc_error(error), caller, method) from error


async def _answers(
    channel: Any, method: "MethodDescriptor", requests: "list[Message]", timeout_s: float | None
) -> "AsyncIterator[Message]":
    from google.protobuf.message_factory import GetMessageClass

    sides = (method.client_streaming, method.server_streaming)
    kind = "_".join("stream" if streams else "unary" for streams in sides)
    make = getattr(channel, kind)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answer = make(iter(requests) if method.client_streaming else requests[0], timeout=timeout_s)
    if method.server_streaming:
        async for message in answer:
            yield message
    else:
        yield await answer


def _print(message: "Message", *, compact: bool) -> None:
    import orjson

    from bedplate.gateway.codec.encode import encoder

    descriptor: Any = message.DESCRIPTOR  # upb's own type in the stubs
    value = encoder(descriptor)(message)
    sys.stdout.buffer.write(orjson.dumps(value, option=0 if compact else orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.buffer.flush()


def _stop(error: "CallError", caller: Caller, method: "MethodDescriptor") -> Stop:
    return Stop(CALL_EXITS.get(error.code, Exit.FAULT), str(error), *_details(error, caller, method))


def _details(error: "CallError", caller: Caller, method: "MethodDescriptor") -> Iterator[str]:
    from bedplate.contract import reasons

    yield from tell(error.sentence, error.violations)
    for name, value in error.facts.items():
        if name != "error_id":
            yield f"{name} = {value}"
    if error.retry_after_s is not None:
        yield f"Try again after {error.retry_after_s:g} s."
    reason = {**reasons.platform(), **reasons.of_file(method.containing_service.file)}.get(error.reason)
    if reason is not None:
        yield reason.help
    elif error.code == "UNAVAILABLE":
        yield f"Nothing answers at {caller.target}. Start a server with `bedplate up`, or give --target."
    if error.reason == "CREDENTIAL_MISSING":
        yield "Here: --key, or BEDPLATE_KEY; `bedplate up` makes a development key for this folder."
