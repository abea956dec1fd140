"""`bedplate generate`: a mistake is told where it was made, and leaves what there was."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import run_in
from tests.faults.platform import ROOT

PROTO = "protos/acme/greeter/v1/greeter.proto"
OLD_TOOLS = ROOT / ".venv-generate" / "bin" / "python"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, generated."""
    folder = tmp_path_factory.mktemp("generate") / "acme"
    folder.mkdir()
    for arguments in (("new", "service", "greeter"), ("generate",)):
        done = run_in(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def acme(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the folder where one is."""
    shutil.copytree(made, tmp_path / "acme")
    monkeypatch.chdir(tmp_path / "acme")
    return tmp_path / "acme"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(folder: Path, old: str, new: str) -> None:
    """Change the contract at one place."""
    text = (folder / PROTO).read_text()
    assert old in text
    (folder / PROTO).write_text(text.replace(old, new, 1))


def test_all_that_follows_from_a_contract_is_written(made):
    names = contents(made / "generated")

    assert {
        "python/acme/greeter/v1/greeter_pb2.py",
        "python/acme/greeter/v1/greeter_pb2.pyi",
        "python/acme/greeter/v1/greeter_pb2_grpc.py",
        "python/acme/greeter/v1/greeter_pb2_grpc.pyi",
        "python/acme/greeter/v1/greeter.proto",
        "python/acme/clients/greeter.py",
        "python/acme/py.typed",
        "service_config/acme.greeter.v1.GreeterService.json",
        "openapi/greeter.json",
        "descriptors/contracts.binpb",
        "reasons.md",
    } <= set(names)


def test_the_same_contracts_give_the_same_bytes(acme, command, monkeypatch):
    before = contents(acme / "generated")
    monkeypatch.chdir(acme)

    assert command("generate", "--check")[0] == 0
    assert command("generate")[0] == 0

    assert contents(acme / "generated") == before
    assert {path.name for path in acme.iterdir() if path.name.startswith(".")} == {".gitignore"}


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("int32 page_size", "int33 page_size", "int33 page_size", '"int33" is not defined'),
        ('      auth: {all_scopes: "greeter.write"}\n', "", "rpc CreateNote", "has no auth policy"),
        (
            "string text = 2;",
            "string text = 2 [(bedplate.v1.field) = {searchable: true}];",
            "rpc CreateNote",
            "does not enforce",
        ),
        ("default: {seconds: 2}", "default: {seconds: 20}", "rpc CreateNote", "at most deadline.max"),
        ("notes/{note_id}", "notes/{id}", "rpc GetNote", "id"),
        ("notes/{note_id}", "notes/{note_id", "rpc GetNote", "the template"),
        ('greeter/notes"}', 'greeter/notes/{page_token}"}', "rpc GetNote", "answer the same requests"),
        ("^[a-z0-9-]+$", "^[a-z0-9-+$", "rpc CreateNote", "cannot be used: "),
        (".string.max_len = 1000", ".int32.gt = 1", "rpc CreateNote", "CreateNoteRequest cannot be used: "),
        ("    code: NOT_FOUND\n", "", "GREETER_REASON_NOTE_NOT_FOUND = 3", "has no code"),
        ("package acme.greeter", "package acme.hello", "package acme.hello", "move it to acme/hello/v1/"),
    ],
)
def test_a_mistake_is_told_with_file_and_line_and_nothing_is_replaced(
    acme, command, monkeypatch, old, new, place, says
):
    monkeypatch.chdir(acme)
    before = contents(acme / "generated")
    change(acme, old, new)
    line = (acme / PROTO).read_text().partition(place)[0].count("\n") + 1

    code, _, err = command("generate")

    assert code == 3
    assert err.startswith(f"error: {PROTO}:{line}:"), err
    assert says in err
    assert contents(acme / "generated") == before


def test_a_client_has_methods_whose_names_python_or_every_client_has_already(acme, command, monkeypatch):
    monkeypatch.chdir(acme)
    change(acme, "rpc CreateNote(", "rpc Close(")
    change(acme, "rpc GetNote(", "rpc Import(")

    code, _, err = command("generate")

    client = (acme / "generated/python/acme/clients/greeter.py").read_text()
    compile(client, "greeter.py", "exec")
    assert (code, err) == (0, "")
    assert client.count("def close_(") == client.count("def import_(") == 2


def test_every_mistake_is_told_at_once(acme, command, monkeypatch):
    monkeypatch.chdir(acme)
    text = (acme / PROTO).read_text()
    (acme / PROTO).write_text(text.replace("auth: {", "limits: {}  // auth: {"))

    _, _, err = command("generate")

    assert [name in err for name in ("CreateNote", "GetNote", "ListNotes")] == [True] * 3


def test_check_names_what_differs_and_writes_nothing(acme, command, monkeypatch):
    monkeypatch.chdir(acme)
    change(acme, "  string text = 2;", "  string text = 2;\n  // How long.\n  int32 length = 3;")
    before = contents(acme / "generated")

    code, _, err = command("generate", "--check")

    assert code == 3
    assert "generated/python/acme/greeter/v1/greeter_pb2.py" in err
    assert contents(acme / "generated") == before


def test_a_contract_that_went_takes_what_followed_from_it_along(acme, command, monkeypatch):
    monkeypatch.chdir(acme)
    other = acme / "protos" / "acme" / "other" / "v1" / "other.proto"
    other.parent.mkdir(parents=True)
    other.write_text('syntax = "proto3";\npackage acme.other.v1;\nmessage Other {}\n')
    assert command("generate")[0] == 0
    assert (acme / "generated/python/acme/other/v1/other_pb2.py").exists()
    other.unlink()

    assert command("generate")[0] == 0

    assert not (acme / "generated/python/acme/other").exists()


def test_a_folder_that_was_not_generated_is_not_replaced(acme, command, monkeypatch):
    monkeypatch.chdir(acme)
    shutil.rmtree(acme / "generated")
    (acme / "generated").mkdir()
    (acme / "generated" / "mine.txt").write_text("mine")

    code, _, err = command("generate")

    assert code == 3
    assert "generated/ holds files that were not generated" in err
    assert contents(acme / "generated") == {"mine.txt": b"mine"}


def test_a_project_without_contracts_says_how_to_make_one(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.bedplate]\n")

    code, _, err = command("generate")

    assert code == 3
    assert "bedplate new service NAME" in err


def test_outside_of_a_project_it_says_so(command):
    code, _, err = command("generate")

    assert code == 2
    assert "in no project" in err


def test_a_project_with_a_command_of_its_own_is_left_to_it(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.bedplate]\ngenerate = ["make", "generate"]\n')

    code, _, err = command("generate")

    assert code == 2
    assert "make generate" in err


def test_tools_that_are_not_there_are_named_with_what_installs_them(acme, command, monkeypatch):
    monkeypatch.chdir(acme)

    code, _, err = command("generate", "--tools", "/usr/bin/env")

    assert code == 3
    assert "pip install grpcio-tools mypy-protobuf" in err


@pytest.mark.skipif(not OLD_TOOLS.exists(), reason="`make generate` makes the environment of older tools")
def test_older_tools_make_code_for_older_callers(acme, command, monkeypatch):
    monkeypatch.chdir(acme)

    assert command("generate", "--tools", str(OLD_TOOLS))[0] == 0

    text = (acme / "generated/python/acme/greeter/v1/greeter_pb2.py").read_text()
    assert "Protobuf Python Version: 6." in text
    assert run_in(acme, "why", "greeter.GetNote").returncode == 0
