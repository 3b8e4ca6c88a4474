"""By which configuration the process that makes the console's pages begins."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.config.load import load_to_serve
from bridge.server.console import newest_good, open_console

CONFIGURATION = """
server: {url_key: unguessable-part-of-the-url, workers: 1}
lines: [{number: "912345678", password: "3956"}]
connectors:
  shop:
    {type: rest, base_url: "http://127.0.0.1:9", records: {contact: {search: {path: "/c/{{ phone }}"}, items: data}}}
queries: {ECO: {answer: {X: "1"}}}
console: {users: [{name: ana, password: ana-secret-1, role: admin}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGURATION)
    return path


def test_it_takes_up_what_changed_before_somebody_opened_it_unless_the_others_refused_that(file: Path) -> None:
    served = load_to_serve(file)
    file.write_text(CONFIGURATION.replace("ana-secret-1", "ana-secret-2"))
    assert newest_good(served).files != served.files
    file.write_text(CONFIGURATION.replace("http://127.0.0.1:9", "no address"))
    assert list(load_to_serve(file).out) == ["shop"]
    assert newest_good(served) is served


def test_what_cannot_be_brought_up_leaves_the_one_before(file: Path, tmp_path: Path) -> None:
    served = load_to_serve(file)
    (tmp_path / "ca.pem").write_text("no certificate")
    file.write_text(CONFIGURATION.replace("{type: rest,", "{type: rest, ca_file: ca.pem,"))
    with ExitStack() as closing:
        assert open_console(served, closing).pages is not None
