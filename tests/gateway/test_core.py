"""The gateway's core stays small, and it and the codec work without what stands beside them."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "services" / "bedplate" / "gateway"

# What is the core; docs/decisions/0008-the-gateway.md says what each is for.
CORE = (
    "app",
    "endpoint",
    "exchange",
    "headers",
    "parameter",
    "problem",
    "routes",
    "text_value",
    "transcode",
)
CODEC = tuple(f"codec.{path.stem}" for path in sorted((ROOT / "codec").glob("*.py")))

# Lines of code, without blank lines, comments and docstrings.
CORE_LINES_MAX = 1_200
CODEC_LINES_MAX = 1_200

# Below the gateway; anything else that it is made of stands above it or has a place of its own.
BELOW = ("client", "contract", "errors", "pipeline", "policy", "telemetry")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def path_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def code_lines(path: Path) -> int:
    text = path.read_text()
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if documented and ast.get_docstring(node) is not None:
            first = node.body[0]
            lines.difference_update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            # What is imported may be a module itself, such as `from bedplate.gateway import problem`.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.startswith("bedplate.")}


@pytest.mark.parametrize("module", CORE + CODEC)
def test_the_core_and_the_codec_know_nothing_of_what_stands_beside_them(module):
    allowed = CODEC if module in CODEC else CORE + CODEC

    others = {
        name
        for name in imported(path_of(module))
        if name.split(".")[1] not in BELOW
        and not any(f"{name}.".startswith(f"bedplate.gateway.{one}.") for one in allowed)
    }
    assert others == set()


@pytest.mark.parametrize(("modules", "most"), [(CORE, CORE_LINES_MAX), (CODEC, CODEC_LINES_MAX)])
def test_the_core_and_the_codec_stay_small(modules, most):
    lines = {module: code_lines(path_of(module)) for module in modules}

    assert sum(lines.values()) <= most, lines
