"""The table `tool.bedplate` and the entry points of a project."""

import sys
from pathlib import Path

import pytest

from bedplate.project import Place, ProjectError, find_project

ENTRY = '[project.entry-points."bedplate.services"]\n'
ROOT = Path(__file__).parent.parent


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_left_out_are_the_folders_of_the_house(tmp_path):
    found = find_project(written(tmp_path, "[tool.bedplate]\n"))

    assert found is not None
    assert (found.protos, found.generated) == (tmp_path / "protos", tmp_path / "generated")
    assert found.sources == (tmp_path / "services",)
    assert (found.services, found.generate) == ({}, ())


def test_a_service_is_found_by_its_noun(tmp_path):
    text = f'{ENTRY}order_book = "shop.services.order_book.service:SERVICE"\n[tool.bedplate]\n'

    found = find_project(written(tmp_path, text))

    assert found is not None
    place = found.services["order_book"]
    assert place == Place("order_book", "shop")
    assert place.contract == "shop.order_book.v1.order_book_pb2"


def test_a_folder_below_is_in_the_project_and_one_beside_another_is_not(tmp_path):
    written(tmp_path, "[tool.bedplate]\n")
    (tmp_path / "below" / "deep").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    written(tmp_path / "other", "[project]\n")

    found = find_project(tmp_path / "below" / "deep")

    assert found is not None
    assert found.root == tmp_path
    assert find_project(tmp_path / "other") is None


def test_its_packages_come_before_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["elsewhere"])
    found = find_project(written(tmp_path, '[tool.bedplate]\nsources = ["a", "b"]\n'))
    assert found is not None

    for _ in range(2):
        found.add_to_path()

    wanted = [str(tmp_path / name) for name in ("a", "b", "generated/python")]
    assert sys.path == [*wanted, "elsewhere"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.bedplate\n", "is not TOML"),
        ("[tool]\nbedplate = 1\n", "tool.bedplate must be a table"),
        ("[tool.bedplate]\nproto = 'x'\n", "tool.bedplate.proto: there is no such setting"),
        (
            "[tool.bedplate]\nprotos = 1\n",
            'tool.bedplate.protos: write the name of a folder, such as "protos"',
        ),
        ("[tool.bedplate]\ngenerated = '.'\n", "tool.bedplate.generated: . is no folder inside the project"),
        ("[tool.bedplate]\ngenerated = '../out'\n", "../out is no folder inside the project"),
        ("[tool.bedplate]\nsources = 'services'\n", "tool.bedplate.sources: write a list of texts"),
        ("[tool.bedplate]\ngenerate = [1]\n", "tool.bedplate.generate: write a list of texts"),
        (
            f"{ENTRY}greeter = 'acme.greeter:app'\n[tool.bedplate]\n",
            'write greeter = "<package>.services.greeter.service:SERVICE"',
        ),
        (
            f"{ENTRY}greeter = 'acme.services.other.service:SERVICE'\n[tool.bedplate]\n",
            "is no place of a service",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(tmp_path, text, says):
    with pytest.raises(ProjectError) as refused:
        find_project(written(tmp_path, text))

    assert says in str(refused.value)
    assert str(tmp_path / "pyproject.toml") in str(refused.value)


def test_this_repository_generates_with_its_own_tools():
    found = find_project(ROOT / "services")

    assert found is not None
    assert found.generate == ("make", "generate")
    assert found.services == {}
