"""Draws what was measured as SVG, by hand: two panels, read at a glance, in light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 352
_TOP, _LEFT, _PANEL_W, _PANEL_H, _GAP = 74, 56, 340, 210, 88

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .title { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #666 }
  .axis { stroke: #999 } .grid { stroke: #e4e4e4 } .paper { fill: #fff }
  .line { fill: none; stroke-width: 2.2 }
  .c0 { stroke: #1b6ca8 } .c1 { stroke: #d1790f } .c2 { stroke: #8a8a8a } .ideal { stroke: #aaa }
  .f0 { fill: #1b6ca8 } .f1 { fill: #d1790f } .f2 { fill: #8a8a8a } .ideal { stroke-dasharray: 4 4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .small { fill: #aaa } .grid { stroke: #3a3a3a } .paper { fill: #1c1c1e }
    .c0 { stroke: #5fb0ee } .f0 { fill: #5fb0ee } .c1 { stroke: #f0a34a } .f1 { fill: #f0a34a }
  }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, its points, and which colour (0 to 2); `ideal` is dashed."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    ideal: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: what it shows, and its lines; y goes from 0 to `top`."""

    title: str
    lines: Sequence[Line]
    top: float = 1.0


def draw(title: str, under: str, panels: Sequence[Panel], x_max: float) -> str:
    """The picture; x is the load in multiples of the capacity."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style>',
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
        f'<text class="small" x="{_LEFT}" y="42">{escape(under)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + number * (_PANEL_W + _GAP), x_max)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, left: float, x_max: float) -> list[str]:
    bottom = _TOP + _PANEL_H

    def x(value: float) -> float:
        return left + value / x_max * _PANEL_W

    def y(value: float) -> float:
        return bottom - min(value, panel.top) / panel.top * _PANEL_H

    parts = [f'<text x="{left}" y="{_TOP - 12}">{escape(panel.title)}</text>']
    for step in range(5):
        value = panel.top * step / 4
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + _PANEL_W}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(f'<text class="small" x="{left - 38}" y="{y(value) + 4:.1f}">{value:.0%}</text>')
    ticks = [0.5 * step for step in range(int(x_max / 0.5) + 1)]
    parts += [f'<text class="small" x="{x(at) - 9:.1f}" y="{bottom + 17}">{at:g}x</text>' for at in ticks]
    parts.append(f'<line class="axis" x1="{left}" x2="{left + _PANEL_W}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="small" x="{left + 96}" y="{bottom + 34}">calls offered, of the capacity</text>'
    )
    for line in panel.lines:
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        kind = "ideal" if line.ideal else f"c{line.colour}"
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        if not line.ideal:
            parts += [
                f'<circle class="f{line.colour}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>'
                for a, b in line.points
            ]
    return parts + _legend(panel.lines, left)


def _legend(lines: Sequence[Line], left: float) -> list[str]:
    parts, at = [], left
    for line in lines:
        kind = "ideal" if line.ideal else f"c{line.colour}"
        top = _TOP + _PANEL_H + 50
        parts.append(f'<line class="line {kind}" x1="{at}" x2="{at + 18}" y1="{top - 4}" y2="{top - 4}"/>')
        parts.append(f'<text class="small" x="{at + 23}" y="{top}">{escape(line.name)}</text>')
        at += 40 + 7 * len(line.name)
    return parts
