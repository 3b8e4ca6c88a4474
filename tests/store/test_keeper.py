from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psycopg

from bridge.config.load import load
from bridge.infocaller.events import Panel
from bridge.intake.keeper import Keeper
from connectors.steps import complete
from tests.web.bridge_process import query


def test_an_event_is_stored_while_others_have_every_connection(postgres_url: str, tmp_path: Path) -> None:
    """Tasks that wait for a lock, and probes by the dozen: the event goes into the database all the same."""
    file = tmp_path / "config.yaml"
    file.write_text(f'database: {postgres_url}\nlines: [{{number: "912345678", password: "3956"}}]\n')
    loaded = load(file, {})
    keeper = Keeper(loaded, lambda: loaded.configuration)
    try:
        database = keeper.database
        assert database
        with ExitStack() as others:
            for _ in range(database.engine.pool.size()):  # type: ignore[attr-defined]
                others.enter_context(database.read())
            assert complete(keeper.event("fin", query(), Panel(), loaded.configuration.lines[0]))
            with psycopg.connect(postgres_url) as server:
                assert server.execute("SELECT event FROM events").fetchall() == [("fin",)]
    finally:
        keeper.close()
