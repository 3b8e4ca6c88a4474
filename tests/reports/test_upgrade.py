"""Calls that an older version stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from bridge.config.model import Configuration
from bridge.reports.keeping import count_some
from bridge.reports.making import make
from bridge.reports.period import Period
from bridge.store.calls import Call, CallState, _values
from bridge.store.folded import FoldedCall
from bridge.store.schema import connect
from bridge.store.tables import calls
from tests.fakes.exchange import LINE
from tests.reports.conftest import DAY, at
from tests.store.made import at_revision

CONFIGURATION = Configuration.model_validate({"lines": [{"number": LINE, "password": "3956"}]})


def test_they_are_counted_after_the_upgrade_and_until_then_it_is_said(empty_database_url: str, tmp_path: Path) -> None:
    old = at_revision("0006", empty_database_url, tmp_path)
    rows = []
    for number in range(400):
        start = at(9) + timedelta(seconds=number)
        folded = FoldedCall(id=str(number), line=LINE, direction="received", called=LINE, over=True, answered=True)
        state = CallState.OVER if number else CallState.OPEN
        call = Call(LINE, str(number), state, folded, "", "received", started_at=start, seconds=5)
        rows.append(_values(call) | {"updated_at": start, "version": 1})
    with old.write() as connection:
        connection.execute(insert(calls), rows)
    old.close()
    database = connect(empty_database_url, tmp_path)
    now = datetime(2026, 12, 1, tzinfo=UTC)
    before = make(database, CONFIGURATION, Period(DAY, DAY), now)
    assert any("399 calls of the past are still to be added up" in str(note) for note in before.notes)
    while count_some(database, CONFIGURATION):
        pass
    after = make(database, CONFIGURATION, Period(DAY, DAY), now)
    assert list(after.table("summary").rows[0])[1:] == [399, None]
    assert not any("added up" in str(note) for note in after.notes)
    database.close()
