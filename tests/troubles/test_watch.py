"""The watch over a host, where it has nowhere to note what it saw."""

from __future__ import annotations

import time
from pathlib import Path

from bridge.config.load import load
from bridge.troubles import Troubles, Watch
from tests.disk import fill, small_disk

CONFIG = "lines: [{number: '912345678', password: '3956'}]\nstate: small\n"


def test_on_a_disk_that_is_full_from_the_start_it_is_known_for_how_long_it_has_been(tmp_path: Path) -> None:
    """Else it would have begun a moment ago for ever, and nobody would be sent an alert."""
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    loaded = load(tmp_path / "config.yaml")
    with small_disk(tmp_path / "small", "1m") as disk:
        fill(disk)
        watch = Watch(disk, lambda: loaded, Troubles(disk))
        (first,) = watch.look().now
        time.sleep(0.05)
        second = watch.look()
    assert first.kind == "disk"
    assert [trouble.since for trouble in second.now] == [first.since]
    assert not second.begun
