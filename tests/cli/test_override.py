"""`bedplate override` and `bedplate why --live`, against a platform that `bedplate up` began."""

import re

import pytest

from bedplate.cli.caller import DEV_KEY_FILE


@pytest.fixture
def shell(platform, command):
    """The command, with the development key of a running server; it leaves no override behind."""
    dev_key = (platform.folder / DEV_KEY_FILE).read_text().strip()

    def shell(*arguments, key=dev_key):
        return command(*arguments, "--target", platform.grpc_address, "--key", key)

    yield shell
    for line in shell("override", "list")[1].splitlines():
        if "  until " in line:
            shell("override", "clear", line.split()[0])


def test_a_method_is_switched_off_for_a_while_and_on_again(shell):
    code, said, wrong = shell(
        "override",
        "set",
        "rates.ListRates",
        "rollout.percent=0",
        "--for",
        "30m",
        "--note",
        "broken",
        "--id",
        "off",
    )
    assert (code, wrong) == (0, "")
    assert re.fullmatch(
        r"off  bedplate\.rates\.v1\.RatesService/ListRates  rollout\.percent=0(\.0)?  until 20\S+Z  "
        r"by key:\w+: broken\n",
        said,
    )

    _, _, wrong = shell("call", "rates.ListRates")
    assert "METHOD_DISABLED" in wrong
    assert shell("override", "clear", "off")[1] == "Override off is ended.\n"
    assert shell("call", "rates.ListRates")[0] == 0
    assert shell("override", "list")[1] == "There are no overrides.\n"
    assert "off  " in shell("override", "list", "--all")[1]


def test_why_tells_of_a_server_what_is_in_force_there(shell):
    shell(
        "override",
        "set",
        "bedplate.rates.v1.RatesService",
        "deadline.max=2s",
        "--note",
        "load",
        "--id",
        "short",
    )

    _, live, _ = shell("why", "rates.ListRates", "--live", "--json")
    _, here, _ = shell("why", "rates.ListRates", "--json")

    assert '"override short"' in live
    assert "override" not in here.replace("policy file or override", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("rates.ListRates", "rollout"), 2, "rollout sets nothing; write OPTION=VALUE"),
        (("rates.ListRates", "rolout.percent=0"), 2, "rolout"),
        (("rates.ListRate", "rollout.percent=0"), 2, "Did you mean rates.ListRates"),
        (("rates.ListRates", "rollout.percent=0", "--for", "soon"), 2, "--for soon is no time"),
        (("rates.ListRates", "rollout.percent=0", "--for", "8d"), None, "at most 7 days"),
        (("rates.ListRates", "deadline.max=3000s"), None, "What forbids it: deadline.max"),
    ],
)
def test_what_cannot_be_set_is_told_with_what_to_write(shell, arguments, code, said):
    got, _, wrong = shell("override", "set", *arguments, "--note", "x")

    assert got == code if code is not None else got > 2
    assert said in wrong.replace("\n", " ")
