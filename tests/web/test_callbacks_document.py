"""What docs/callbacks.md tells people to write works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from bridge.config.load import load
from tests.web.bridge_process import running

TOKEN = "a-token-of-24-characters-and-more"


DOCUMENT = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """What stands there in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_the_configurations_are_good_and_the_one_to_try_rings_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOCALLER_PASSWORD", "1234")
    people = DOCUMENT[DOCUMENT.index("id,phone,due") :]
    (tmp_path / "people.csv").write_text(people.partition("```")[0], encoding="utf-8")
    whole = [block for block in blocks("yaml") if "connectors:" in block]
    assert len(whole) == 2
    for number, block in enumerate(whole):
        (tmp_path / f"{number}.yaml").write_text(block, encoding="utf-8")
    real, tried = (load(tmp_path / f"{number}.yaml").configuration for number in range(2))
    assert real.lines[0].emission.url.startswith("https://")
    assert tried.lines[0].emission.url.startswith("http://127.0.0.1:8099")


def test_the_sites_own_form_handler_asks_once_however_often_it_is_sent(tmp_path: Path) -> None:
    line = 'lines: [{number: "912345678", password: "1234"}]\n'
    (source,) = (block for block in blocks("yaml") if "token:" in block)
    (tmp_path / "config.yaml").write_text(line + source.replace("${CALLBACK_TOKEN}", TOKEN), encoding="utf-8")
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    call_back: Callable[[dict[str, str], str, str], dict[str, Any]] = names["call_back"]
    form = {"phone": "600 111 222", "name": "Ana", "ticket": "page-1"}
    with running(tmp_path) as bridge:
        url = f"http://127.0.0.1:{bridge.port}"
        first, again, other = (call_back(given, url, TOKEN) for given in (form, form, form | {"ticket": ""}))
        assert first == again
        assert first["state"] == "waiting"
        assert other["id"] != first["id"]
        with pytest.raises(HTTPError, match="400"):
            call_back(form | {"phone": "806111222", "ticket": "page-2"}, url, TOKEN)
