"""`bedplate check` and `bedplate breaking` in a team's own project."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import run_in

PROTO = "protos/acme/greeter/v1/greeter.proto"
BY_READ = 'auth: {all_scopes: "greeter.read"}'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `bedplate new` makes it, committed on main."""
    folder = tmp_path_factory.mktemp("check") / "acme"
    folder.mkdir()
    done = run_in(folder, "new", "service", "greeter")
    assert done.returncode == 0, done.stderr
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "A service")
    return folder


@pytest.fixture
def acme(made: Path, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the folder where one is."""
    shutil.copytree(made, tmp_path / "acme")
    monkeypatch.chdir(tmp_path / "acme")
    return tmp_path / "acme"


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Acme", "-c", "user.email=acme@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def change(folder: Path, old: str, new: str) -> int:
    """Change the contract at one place; the line of it."""
    text = (folder / PROTO).read_text()
    assert old in text
    (folder / PROTO).write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_nothing_is_found_in_a_service_that_was_just_made(acme, command):
    code, out, err = command("check")

    assert (code, out) == (0, "")
    assert "No finding in 1 contract." in err


def test_a_mistake_is_told_with_its_place_and_how_to_mend_it(acme, command):
    line = change(acme, BY_READ, "auth: {}")

    code, out, err = command("check")

    assert code == 1
    assert out.startswith(
        f"{PROTO}:{line}:7: error BP101: acme.greeter.v1.GreeterService/GetNote says not who"
    )
    assert 'write auth: {all_scopes: "<noun>.read"}' in out
    assert "bedplate check --explain BP101" in err


def test_a_part_of_the_contracts_is_looked_at_when_it_is_named(acme, command):
    change(acme, BY_READ, "auth: {}")
    other = acme / "protos/acme/other/v1/other.proto"
    other.parent.mkdir(parents=True)
    other.write_text('// Others.\nsyntax = "proto3";\npackage acme.other.v1;\n')

    assert command("check", "protos/acme/other")[0] == 0
    assert command("check", "protos/acme/greeter")[0] == 1
    assert command("check", PROTO)[0] == 1
    assert command("check", "protos")[0] == 1


def test_contracts_outside_of_a_project_are_checked_too(acme, command, tmp_path, monkeypatch):
    shutil.copytree(acme / "protos", tmp_path / "loose")
    monkeypatch.chdir(tmp_path)

    code, _, err = command("check", "loose")

    assert code == 0, err


def test_formats_for_programs_and_workflows(acme, command):
    line = change(acme, BY_READ, "auth: {}")

    code, out, _ = command("check", "--format", "json")
    assert code == 1
    (finding,) = json.loads(out)["findings"]
    assert (finding["code"], finding["file"], finding["line"]) == ("BP101", PROTO, line)

    code, out, _ = command("check", "--format", "github")
    assert code == 1
    assert out.startswith(f"::error file={PROTO},line={line},col=7,title=BP101::")


def test_settings_allow_with_a_reason_and_choose_a_bound(acme, command):
    change(acme, BY_READ, "auth: {}")
    settings = acme / "pyproject.toml"
    place = "acme.greeter.v1.GreeterService.GetNote"
    before = settings.read_text()

    def allow(place: str) -> None:
        entry = f'\n[[tool.bedplate.check.allow]]\ncode = "BP101"\nplaces = ["{place}"]\nreason = "A test."\n'
        settings.write_text(f"{before}\n[tool.bedplate.check]\namplification_max = 4\n{entry}")

    allow(place)
    assert command("check")[0] == 0

    allow(place + "s")
    code, out, _ = command("check")
    assert code == 1
    assert "pyproject.toml:" in out
    assert "BP001" in out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[tool.bedplate.check]\namplification = 1\n",
            "it has amplification_max and allow, and nothing else",
        ),
        ("[tool.bedplate.check]\namplification_max = 0\n", "write a number of 1 or more"),
        ("[tool.bedplate.check]\nallow = 1\n", "write a list of tables"),
        ('[[tool.bedplate.check.allow]]\ncode = "BP101"\n', "write each as {code = "),
    ],
)
def test_settings_that_say_something_else_are_told(acme, command, text, told):
    settings = acme / "pyproject.toml"
    settings.write_text(f"{settings.read_text()}\n{text}")

    code, _, err = command("check")

    assert code == 3
    assert told in err.replace("\n", " ")


def test_an_allowance_of_no_rule_is_a_matter_of_usage(acme, command):
    settings = acme / "pyproject.toml"
    entry = '[[tool.bedplate.check.allow]]\ncode = "BP999"\nplaces = ["acme"]\nreason = "x"\n'
    settings.write_text(f"{settings.read_text()}\n{entry}")

    code, _, err = command("check")

    assert code == 2
    assert "there is no rule BP999" in err


def test_contracts_that_do_not_compile_are_told_with_file_and_line(acme, command):
    line = change(acme, "string note_id = 1;", "strin note_id = 1;")

    code, _, err = command("check")

    assert code == 2
    assert f"{PROTO}:{line}:" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "nowhere"), "there is no such file or folder"),
        (("check", "--explain", "BP000"), "There is no code BP000"),
        (("check", "--format", "xml"), "xml"),
        (("breaking", "--protos", "protos/acme/greeter"), "name the folder that imports are relative to"),
        (("breaking", "--against", "main"), "write git:<commit, branch or tag>, or file:<descriptor set>"),
        (("breaking", "--against", "git:nobranch"), "there is no such commit, branch or tag"),
        (("breaking", "--against", "git:--all"), "there is no such commit, branch or tag"),
        (("breaking", "--against", "file:nowhere.binpb"), "nowhere.binpb cannot be read"),
        (("breaking", "--against", f"file:{PROTO}"), "is no descriptor set"),
    ],
)
def test_what_cannot_be_read_is_a_matter_of_usage(acme, command, arguments, told):
    code, _, err = command(*arguments)

    assert code == 2
    assert told in err.replace("\n", " ")


def test_the_page_of_a_code_is_printed(acme, command):
    code, out, _ = command("check", "--explain", "bp103")

    assert code == 0
    assert out.startswith("BP103\n\n**What is not idempotent is not retried.**")
    assert command("breaking", "--explain", "BB301")[1].startswith("BB301")


def test_what_did_not_change_since_main_breaks_nothing(acme, command):
    code, out, err = command("breaking", "--against", "git:main")

    assert (code, out) == (0, "")
    assert "No finding in 1 contract against git:main" in err


def test_a_shorter_deadline_breaks_a_promise_until_it_is_acknowledged(acme, command):
    change(acme, "default: {seconds: 2}", "default: {seconds: 1}")

    code, out, err = command("breaking")

    assert code == 1
    assert 'code = "BB301"\nplace = "acme.greeter.v1.GreeterService.CreateNote"\n' in err
    methods = ("CreateNote", "GetNote", "ListNotes")
    assert [line.split()[1:3] for line in out.splitlines()] == [["policy", "BB301:"]] * len(methods)

    entries = [
        f'[[acknowledge]]\ncode = "BB301"\nplace = "acme.greeter.v1.GreeterService.{name}"\n'
        'reason = "All were asked."\nuntil = 2999-01-01\n'
        for name in methods
    ]
    (acme / "protos/breaking.toml").write_text("\n".join(entries[:2]))
    assert command("breaking")[0] == 1
    (acme / "protos/breaking.toml").write_text("\n".join(entries))
    assert command("breaking")[:2] == (0, "")

    git(acme, "add", ".")
    git(acme, "commit", "--quiet", "-m", "Shorter")
    code, out, _ = command("breaking")
    assert code == 0
    assert [line.split()[1:3] for line in out.splitlines()] == [["advice", "BB001:"]] * len(methods)


def test_an_acknowledgement_that_is_not_whole_is_a_matter_of_usage(acme, command):
    (acme / "protos/breaking.toml").write_text('[[acknowledge]]\ncode = "BB301"\n')

    code, _, err = command("breaking")

    assert code == 2
    assert "an entry has code, place, reason, until" in err


def test_a_tag_and_a_descriptor_set_are_states_too(acme, command):
    git(acme, "tag", "v1")
    done = run_in(acme, "generate")
    assert done.returncode == 0, done.stderr
    shutil.copy(acme / "generated/descriptors/contracts.binpb", acme / "released.binpb")
    change(acme, "  string text = 2;\n", "  string words = 2;\n")

    for against in ("git:v1", "file:released.binpb"):
        code, out, _ = command("breaking", "--against", against)

        assert code == 1
        assert f"{PROTO}:" in out
        assert "json BB202: Note.text is called words now" in out


def test_against_a_state_without_contracts_nothing_breaks(acme, command):
    git(acme, "checkout", "--quiet", "--orphan", "empty")
    git(acme, "rm", "-r", "--quiet", "--cached", ".")
    git(acme, "commit", "--quiet", "--allow-empty", "-m", "Nothing yet")

    code, _, err = command("breaking", "--against", "git:empty")

    assert code == 0
    assert "git:empty has no contract in protos" in err
    assert json.loads(command("breaking", "--against", "git:empty", "--format", "json")[1]) == {
        "findings": []
    }


def test_outside_of_git_it_says_so(acme, command):
    shutil.rmtree(acme / ".git")

    code, _, err = command("breaking")

    assert code == 2
    assert "in no git repository" in err
