"""The reference pages say what the code says."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from bedplate.auth.key_format import parse_keys
from bedplate.cli.exits import CALL_EXITS, Exit
from bedplate.settings import COMMAND_VARIABLES, PREFIX, Settings

ROOT = Path(__file__).parent.parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def rows(text, columns):
    """The rows of the page's tables of so many columns, without their heads."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [row for row in found if len(row) == columns and not set(row[0]) <= {"-"}]


def shown_default(field):
    if field.default is PydanticUndefined or field.default in ("", None, frozenset()):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def test_every_setting_has_a_row_with_its_default_and_no_row_has_none():
    told = {row[0]: row[1] for row in rows(CONFIGURATION, 3) if row[0].startswith("`BEDPLATE_")}

    assert told == {
        f"`{PREFIX}{name.upper()}`": shown_default(field) for name, field in Settings.model_fields.items()
    }


def test_every_variable_of_the_command_has_a_row():
    told = {row[0].strip("`") for row in rows(CONFIGURATION, 2) if row[0].startswith("`BEDPLATE_")}

    assert told == set(COMMAND_VARIABLES)


def test_bounds_that_are_told_are_those_in_force():
    for name, low, high in re.findall(r"\| `BEDPLATE_(\w+)` .* (\d+) to (\d+)\. \|", CONFIGURATION):
        bounds = {type(bound).__name__: bound for bound in Settings.model_fields[name.lower()].metadata}
        assert (bounds["Ge"].ge, bounds["Le"].le) == (int(low), int(high)), name


def test_the_settings_file_of_the_page_can_be_used(tmp_path, monkeypatch):
    text = re.search(r"```toml\n(.*?)```", CONFIGURATION, re.S)[1]
    file = tmp_path / "settings.toml"
    file.write_text(text)
    monkeypatch.setenv("BEDPLATE_SETTINGS", str(file))

    settings = Settings.load()

    settings.refuse_plaintext()
    assert {name: getattr(settings, name) for name in tomllib.loads(text)} == tomllib.loads(text)


def test_the_key_file_of_the_page_can_be_used():
    text = re.search(r"```json\n(.*?)```", CONFIGURATION, re.S)[1]

    assert list(parse_keys(text.encode(), where="the page")) == list(json.loads(text)["keys"])


def test_every_exit_code_has_a_row_that_names_its_call_codes():
    told = {int(row[0]): row[1] for row in rows(OPERATIONS, 3) if row[0].isdigit()}

    assert set(told) == {code.value for code in Exit}
    for code, exit_code in CALL_EXITS.items():
        assert code in told[exit_code.value]


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.name
)
def test_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
