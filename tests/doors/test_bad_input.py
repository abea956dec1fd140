"""Bad input gets one answer, whichever the door: a code, a reason, the field, and how to mend it."""

import pytest

from tests.doors.answering import Answer, check_answer
from tests.doors.asking import said
from tests.doors.bad import BAD, GET_LEDGER, Bad
from tests.doors.books import NOBODY, READER, STRANGER, WRITER
from tests.doors.doors import DOORS, Doors, answers

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("discreet")]

KEYS = (WRITER, READER, STRANGER, NOBODY)


def check(answer: Answer, bad: Bad) -> None:
    """The answer is the one of the table."""
    assert (answer.code, answer.reason) == (bad.code, bad.reason), answer
    check_answer(answer, KEYS)
    if bad.field or answer.violations:
        assert answer.violations, f"no field is named: {answer.whole}"
        assert answer.violations[0][0] == bad.field
    told = " ".join((answer.sentence, *(text for _, text in answer.violations)))
    assert all(word in told for word in bad.words), told


@pytest.mark.parametrize("what", BAD)
async def test_each_door_refuses_with_the_same_reason_and_says_how_to_mend_it(
    doors: Doors, what: str
) -> None:
    bad = BAD[what]
    asked = {name: ask for name, ask in DOORS.items() if answers(name, bad.ask)}
    assert asked

    if bad.ask.late:
        assert (await asked.pop("grpc")(doors, bad.ask)).code == bad.code
    got = {name: await ask(doors, bad.ask) for name, ask in asked.items()}
    good = [await ask(doors, said(GET_LEDGER, WRITER)) for ask in DOORS.values()]

    for name, answer in got.items():
        check(answer, bad)
        assert answer.http_status == (bad.http_status if name == "http" else 0)
    if what != "10 MB":  # HTTP cannot say how large a body is that it does not read
        assert len({answer.told for answer in got.values()}) == 1, got
    assert [answer.code for answer in good] == ["OK"] * len(DOORS)


async def test_a_stranger_cannot_tell_what_is_there_from_what_is_not(doors: Doors) -> None:
    mine = said(GET_LEDGER, STRANGER)
    absent = BAD["an unknown ledger"].ask

    for ask in DOORS.values():
        there = await ask(doors, mine)
        not_there = await ask(doors, absent)

        assert there.sentence == not_there.sentence.replace("nowhere", "main")
