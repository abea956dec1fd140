"""The pages that explain the codes: one section for each, with what is wrong and how it is right."""

import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "pages"
_SECTION = re.compile(r"^### (?P<code>B[PB]\d{3})\n+(?P<text>.*?)(?=^##|\Z)", re.M | re.S)
_DIFF = re.compile(r"```diff\n(.*?)```", re.S)


@dataclass(frozen=True, slots=True)
class Section:
    """What a code means.

    Attributes:
        code: The code.
        title: The rule, in a sentence.
        text: All of it, as Markdown.
        example: What is wrong (lines with `-`) and how it is right (with `+`); empty for none.
    """

    code: str
    title: str
    text: str
    example: str


@cache
def sections() -> dict[str, Section]:
    """The section of each code, in the order of the pages."""
    found = {}
    for path in sorted(_FOLDER.glob("*.md")):
        for match in _SECTION.finditer(path.read_text(encoding="utf-8")):
            text = match["text"].strip()
            title = text.split("\n\n", 1)[0].replace("\n", " ").strip("*")
            diff = _DIFF.search(text)
            found[match["code"]] = Section(match["code"], title, text, diff[1] if diff else "")
    return found


def document() -> str:
    """docs/rules.md: what to know first, a list of all codes, and the pages."""
    parts = [path.read_text(encoding="utf-8").strip() for path in sorted(_FOLDER.glob("*.md"))]
    rows = [f"| [{one.code}](#{one.code.lower()}) | {one.title} |" for one in sections().values()]
    table = "\n".join(["## All codes", "", "| code | rule |", "|---|---|", *rows])
    return "\n\n".join([parts[0], table, *parts[1:]]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
