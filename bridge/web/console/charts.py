"""Charts as SVG that the server makes, each with its numbers in a table beside it (`macros/charts.html`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 120
_GAP = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """What is drawn over one label: a value for each series, stacked from below."""

    label: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of the drawing; `series`: which one it is of, counted from 1."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class BarChart:
    """A drawing of bars, of `WIDTH` and `HEIGHT`: `pieces`; `scale`: the numbers beside it from above, at equal
    distances; `labels` below it, at equal distances. `series`: what each of a bar's values is."""

    title: str
    series: Sequence[str]
    bars: Sequence[Bar]
    pieces: Sequence[Piece]
    scale: Sequence[int]
    labels: Sequence[str]


def bars(title: str, series: Sequence[str], data: Sequence[Bar], *, every: int = 1) -> BarChart:
    """Return a chart of stacked bars. `series` names the values of a bar, from below; `every`: how many bars share a
    label."""
    top = _ceiling(max((bar.total for bar in data), default=0))
    step = WIDTH / max(1, len(data))
    pieces: list[Piece] = []
    for place, bar in enumerate(data):
        base = float(HEIGHT)
        for number, value in enumerate(bar.values, 1):
            height = HEIGHT * value / top
            base -= height
            if value:
                x = step * (place + _GAP / 2)
                pieces.append(Piece(round(x, 1), round(base, 1), round(step * (1 - _GAP), 1), round(height, 1), number))
    labels = [bar.label for bar in data[::every]]
    return BarChart(title, series, data, pieces, (top, top // 2, 0), labels)


def _ceiling(highest: int) -> int:
    """The next round, even number."""
    size = 1
    while True:
        for step in (2, 4, 6, 10):
            if highest <= step * size:
                return step * size
        size *= 10
