"""Help, completion and the cost of starting."""

import subprocess
import sys

import pytest

COMMANDS = [
    ("up",),
    ("serve",),
    ("gateway",),
    ("migrate",),
    ("call",),
    ("why",),
    ("generate",),
    ("check",),
    ("breaking",),
    ("new", "service"),
    ("key", "create"),
    ("key", "list"),
    ("key", "revoke"),
    ("fault", "set"),
    ("fault", "list"),
    ("fault", "clear"),
    ("override", "set"),
    ("override", "list"),
    ("override", "clear"),
    ("ledger", "import"),
    ("ledger", "balance"),
    ("rates", "import"),
]


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_shows_examples_that_begin_with_its_own_name(command, names):
    code, out, _ = command(*names, "--help")

    assert code == 0
    assert "Examples" in out
    assert f"bedplate {' '.join(names)}" in out.partition("Examples")[2]


def test_every_command_is_in_the_table_of_this_test(command):
    _, out, _ = command("--help")

    listed = {
        line.split()[1]
        for line in out.partition("Commands")[2].splitlines()
        if line.startswith("│ ") and line[2] != " "
    }

    assert listed == {names[0] for names in COMMANDS} | {"version"}


def test_help_loads_nothing_heavy():
    script = (
        "import sys\nfrom bedplate.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'grpc', 'google.protobuf', 'sqlalchemy', 'pydantic', 'uvloop', 'protovalidate', 'orjson'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


def test_the_version_is_that_of_the_distribution(command):
    from importlib.metadata import version

    assert command("version") == (0, f"{version('bedplate')}\n", "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bedplate call ledger.GetB", "ledger.GetBalance"),
        ("bedplate why GetBal", "GetBalance"),
        ("bedplate serve ra", "rates"),
        ("bedplate migrate l", "ledger"),
    ],
)
def test_the_shell_completes_methods_and_services(run, line, offered):
    words = str(len(line.split()) - 1)

    done = run(env={"_BEDPLATE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": words})

    assert done.stdout.split() == [offered]


def test_an_unknown_command_is_a_matter_of_usage(command):
    assert command("upp")[0] == 2
