"""How long processes have to end, by what the configuration allows to take long."""

from __future__ import annotations

from pathlib import Path

from bridge.config.load import load
from bridge.server import bounds

LINE = 'lines: [{number: "912345678", password: "3956"%s}]\n'
QUERY = "queries: {LENTA: {answer: {X: '1'}, deadline: 20s}}\n"


def _bounds(folder: Path, text: str) -> tuple[float, float]:
    config = folder / "config.yaml"
    config.write_text(text)
    configuration = load(config).configuration
    return bounds.of_requests(configuration), bounds.of_work(configuration)


def test_nothing_is_cut_off_that_has_longer(tmp_path: Path) -> None:
    assert _bounds(tmp_path, LINE % "") == (15, 15)
    assert _bounds(tmp_path, LINE % "" + QUERY) == (25, 15)
    assert _bounds(tmp_path, LINE % ", emission: {timeout: 60s}") == (15, 65)
