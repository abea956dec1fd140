"""The Containerfile: what goes into the image, what it runs as, and that its locks are ours."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from bedplate.gateway import pages
from bedplate.settings import Settings, parse_address
from tests.deploy.manifests import CONTAINERFILE, DOCUMENTATION, ROOT, image_environment, instructions
from tests.stranger.wheel import ROOT as SOURCE

IGNORE = ROOT / ".dockerignore"
# What comes from the context, and not from another stage.
COPIED = [
    each.text.split()[:-1] for each in instructions() if each.word == "COPY" and "--from" not in each.text
]


def of(word: str) -> list[str]:
    return [each.text for each in instructions() if each.word == word]


def ignored(path: Path) -> bool:
    """Whether the context leaves a path out, by the rules that .dockerignore uses of the format."""
    out = False
    for line in IGNORE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        rule = line.removeprefix("!")
        parts = path.parts
        if rule == "*":
            matches = True
        elif rule.startswith("**/"):
            matches = rule[3:] in parts
        else:
            assert "*" not in rule, "this test does not know such a rule"
            matches = tuple(rule.split("/")) == parts[: rule.count("/") + 1]
        if matches:
            out = not line.startswith("!")
    return out


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listed.stdout.splitlines()]


def test_what_is_copied_is_there_and_in_the_context():
    for names in COPIED:
        for name in names:
            inside = [path for path in tracked() if path.is_relative_to(name)]
            assert inside, name
            assert not [path for path in inside if ignored(path)], name


def test_the_context_holds_what_is_copied_and_nothing_else():
    wanted = [Path(name) for names in COPIED for name in names]

    sent = [path for path in tracked() if not ignored(path)]
    assert [path for path in sent if not any(path.is_relative_to(name) for name in wanted)] == []
    for secret in (".git/config", "deploy/secrets/keys/keys.json", ".bedplate/dev-key", ".venv/bin/python"):
        assert ignored(Path(secret))


def test_the_wheel_is_built_of_all_that_the_checkouts_wheel_is_built_of():
    parts = {name for names in COPIED for name in names}

    # As tests/stranger/wheel.py builds it, whose wheel other tests look into.
    assert SOURCE == ROOT
    assert {"services", "clients/python", "generated", "pyproject.toml", "README.md", "LICENSE"} <= parts


def test_every_stage_begins_with_one_pinned_python():
    (python,) = (text for text in of("ARG"))
    name, version = python.split("=")

    assert [text.split()[0] for text in of("FROM")] == [f"python:${{{name}}}"] * 2
    assert re.fullmatch(r"3\.1[1-4]\.\d+-slim-[a-z]+", version), "a patch release, so that builds agree"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted == ">=3.11"


def test_nothing_is_installed_without_a_hash_or_run_while_it_is():
    installs = [
        part for text in of("RUN") for part in text.split("&&") if " install " in part and "pip" in part
    ]

    assert len(installs) == 3
    for part in installs:
        by_hash = "--require-hashes --only-binary :all: --requirement requirements/" in part
        assert by_hash or "--no-index --no-deps dist/" in part, part
    assert not re.search(r"\b(curl|wget|apt-get|git)\b", CONTAINERFILE.read_text())
    assert not of("ADD")


def test_it_runs_as_a_number_and_gets_signals_itself():
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", of("USER")[-1])
    assert yaml.safe_load(of("ENTRYPOINT")[-1]) == ["bedplate"]
    assert yaml.safe_load(of("CMD")[-1])[0] == "serve"
    assert of("STOPSIGNAL") == ["SIGTERM"]
    words = [each.word for each in instructions()]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word in ("RUN", "COPY"))


def test_its_health_check_asks_the_door_that_it_opens():
    (text,) = of("HEALTHCHECK")
    url = urlsplit(re.search(r"http://[^']+", text)[0])
    settings = Settings(
        **{name.removeprefix("BEDPLATE_").lower(): v for name, v in image_environment().items()}
    )

    assert url.port == parse_address(settings.health_address).port
    assert url.path in pages.pages(None, bool)  # type: ignore[arg-type]
    assert {str(url.port)} < set(of("EXPOSE")[0].split())
    assert settings.production


def test_the_gateway_finds_the_contracts_of_the_image():
    (copied,) = (text.split() for text in of("COPY") if "binpb" in text)

    assert (ROOT / copied[0]).is_file()
    for page in (ROOT / "deploy" / "compose.yaml", *ROOT.glob("deploy/kubernetes/base/*-gateway.yaml")):
        assert re.findall(r"/[\w/.-]+\.binpb", page.read_text())
        assert set(re.findall(r"/[\w/.-]+\.binpb", page.read_text())) == {copied[1]}


def names(path: Path) -> set[str]:
    """What a list asks for, without versions."""
    lines = [re.sub(r"\[.*?\]", "", line.split(";")[0]) for line in path.read_text().splitlines()]
    return {
        re.match(r"[A-Za-z0-9._-]+", line)[0].lower().replace(".", "-")
        for line in lines
        if line[:1].isalpha()
    }


def test_the_image_installs_what_its_extras_ask_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [project["optional-dependencies"][name] for name in ("server", "valkey", "compression")]
    asked = {re.match(r"[A-Za-z0-9._-]+", each)[0] for each in sum(extras, project["dependencies"])}

    wanted = {name.lower().replace(".", "-") for name in asked} - {"bedplate"}
    assert names(ROOT / "requirements" / "image.in") == wanted
    assert wanted <= names(ROOT / "requirements" / "image.txt")


@pytest.mark.parametrize("name", ["image", "wheel"])
def test_the_image_has_the_versions_that_were_tested(name):
    def versions(lock: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9.-]+)==([^ \\]+)", text, re.M))

    tested = versions("dev") | versions("server")
    assert {k: v for k, v in versions(name).items() if tested.get(k) != v} == {}


def test_the_page_builds_the_image_under_the_name_that_is_started():
    (line,) = re.findall(r"^docker build .*", DOCUMENTATION.read_text(), re.M)

    tag = re.search(r"--tag (\S+)", line)[1]
    assert f"--tag {tag} ." in CONTAINERFILE.read_text()
    for path in (*ROOT.glob("deploy/kubernetes/base/*.yaml"), ROOT / "deploy" / "compose.yaml"):
        assert set(re.findall(r"image: (bedplate\S*)", path.read_text())) <= {tag}


@pytest.mark.soak
def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not beside this python; `make soak` installs it")

    done = subprocess.run([hadolint, CONTAINERFILE], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, "")
