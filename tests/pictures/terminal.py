"""The picture of the demo in a terminal: what it really says, drawn as SVG."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

_COLUMNS, _CHARACTER, _LINE, _EDGE = 100, 8.43, 20, 18
_HEAD = 34
_SAID = (
    ('<rect width="{width}" height="{height}" rx="9" fill="#16181d"/>'),
    ('<circle cx="20" cy="18" r="6" fill="#f25f57"/><circle cx="40" cy="18" r="6" fill="#f8bd2e"/>'),
    ('<circle cx="60" cy="18" r="6" fill="#2bc840"/>'),
)
_COLOURS = (("ok  ", "#7ee2a0"), ("=== ", "#8cc0ff"), ("--- ", "#8cc0ff"), ("$ ", "#ffffff"), ("    ", "#aab4c2"))
_CHANCES = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8080"),
    (re.compile(r"/\S*(infocaller-bridge-demo-)\w+"), r"/tmp/\1x"),
    (re.compile(r"\b1[78]\d{14,17}\b"), "179588588298300187"),
)
"""What is another at each run, and what the picture has instead."""
_TOOK = ("7.9", "0.3", "0.6", "4.2")


def take(language: str, folder: Path) -> None:
    """Play the demo, and draw its first call and its end."""
    environment = {**os.environ, "LANG": f"{language}_ES.UTF-8", "LC_ALL": "", "LANGUAGE": ""}
    played = subprocess.run(
        [sys.executable, "-m", "bridge", "demo"],
        capture_output=True, text=True, env=environment, check=True,
    ).stdout  # fmt: skip
    for pattern, instead in _CHANCES:
        played = pattern.sub(instead, played)
    took = iter(_TOOK)
    played = re.sub(r"\b\d+([.,]\d+)? ms", lambda _: f"{next(took, _TOOK[-1])} ms", played)
    lines = ["$ infocaller-bridge demo", *_shown(played.splitlines())]
    (folder / f"demo.{language}.svg").write_text(_drawn([_fitted(line) for line in lines]), encoding="utf-8")


def _shown(lines: list[str]) -> list[str]:
    """Return the first call up to its first answer, and how it all ends; what goes over the wire is left out."""
    stops = [number for number, line in enumerate(lines) if line.startswith("ok  ")]
    wire = next(number for number, line in enumerate(lines) if line.startswith("    POST")) - 1
    last = max(number for number, line in enumerate(lines) if line.startswith("=== "))
    end = next(number for number in range(stops[-1] + 1, len(lines)) if lines[number].strip())
    called = [line for line in lines[last : end + 1] if len(line) <= _COLUMNS]
    return [*lines[:wire], lines[stops[1]], "", "…", "", *called]


def _fitted(line: str) -> str:
    return line if len(line) <= _COLUMNS else f"{line[: _COLUMNS - 1]}…"


def _drawn(lines: list[str]) -> str:
    width, height = round(_COLUMNS * _CHARACTER + 2 * _EDGE), _HEAD + len(lines) * _LINE + _EDGE
    rows = []
    for number, line in enumerate(lines):
        if line.strip():
            colour = next((colour for start, colour in _COLOURS if line.startswith(start)), "#e6eaf0")
            bare = line.lstrip()
            words = escape(bare).replace(" ", "\N{NO-BREAK SPACE}")  # of several spaces, drawn text keeps one
            left = _EDGE + (len(line) - len(bare)) * _CHARACTER
            # as long as its letters are many, whatever font there is
            rows.append(
                f'<text x="{left:.1f}" y="{_HEAD + (number + 1) * _LINE - 4}" fill="{colour}" '
                f'textLength="{len(bare) * _CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs">{words}</text>'
            )
    head = "\n".join(part.format(width=width, height=height) for part in _SAID)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">'
        f"\n{head}\n" + "\n".join(rows) + "\n</svg>\n"
    )
