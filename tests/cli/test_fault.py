"""`bedplate fault`, against a platform that `bedplate up` began."""

import pytest

from bedplate.cli.caller import DEV_KEY_FILE


@pytest.fixture
def shell(platform, command):
    """The command, with the development key of a running server; it leaves no fault behind.

    Returns exit code, standard output and standard error.
    """
    dev_key = (platform.folder / DEV_KEY_FILE).read_text().strip()

    def shell(*arguments, key=dev_key):
        return command(*arguments, "--target", platform.grpc_address, "--key", key)

    yield shell
    shell("fault", "clear", "--all")


def test_a_fault_hits_calls_until_it_is_cleared(shell):
    code, said, wrong = shell(
        "fault", "set", "broken", "rates.ListRates", "--abort", "data_loss", "--for", "1m"
    )
    assert (code, wrong) == (0, "")
    assert said.startswith(
        "broken  bedplate.rates.v1.RatesService/ListRates  abort DATA_LOSS  100 %  0 hits  until 20"
    )

    code, _, wrong = shell("call", "rates.ListRates")
    assert code == 15
    assert "FAULT_INJECTED" in wrong
    assert "  1 hits  " in shell("fault", "list")[1]
    assert shell("fault", "clear", "broken")[1] == "Fault broken is ended.\n"
    assert shell("call", "rates.ListRates")[0] == 0
    assert shell("fault", "list")[1] == "There are no faults.\n"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("--delay", "100ms..300ms", "--percent", "12.5"), "delay 0.1 to 0.3 s  12.5 %  0 hits"),
        (("--delay", "2s"), "delay 2 s  100 %"),
        (("--drop", "--times", "3"), "drop  100 %  0 of 3 hits"),
        (("--pushback", "1.5s"), "pushback 1.5 s"),
    ],
)
def test_each_effect_can_be_said(shell, arguments, shown):
    code, said, wrong = shell("fault", "set", "f", "bedplate.rates.v1.RatesService/*", *arguments)

    assert (code, wrong) == (0, "")
    assert shown in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("set", "f", "rates.Convert"), 2, "one of --delay, --abort, --drop and --pushback"),
        (("set", "f", "rates.Convert", "--drop", "--abort", "ABORTED"), 2, "one of --delay"),
        (("set", "f", "rates.Convert", "--delay", "soon"), 2, "write 300ms, 2s, 10m or 1h"),
        (("set", "f", "rates.Convert", "--abort", "OK"), 2, "is no code of a failure"),
        (("set", "f", "rates.Convrt", "--drop"), 2, "Did you mean rates.Convert"),
        (("set", "f", "a.v1.B/*", "--drop"), 12, "TARGET_NOT_FOUND"),
        (("set", "F!", "rates.Convert", "--drop"), 10, "fault_id"),
        (("set", "f", "rates.Convert", "--drop", "--percent", "0"), 10, "fault.percentage"),
        (("clear",), 2, "Name a fault, or say --all"),
        (("clear", "none"), 12, "List the faults"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(shell, arguments, code, said):
    ended, _, wrong = shell("fault", *arguments)

    assert ended == code
    assert said in " ".join(wrong.split())


def test_a_key_without_the_operators_scope_is_told_which_one(shell, platform):
    code, _, wrong = shell("fault", "list", key=platform.key)

    assert code == 11
    assert "platform.admin" in wrong
