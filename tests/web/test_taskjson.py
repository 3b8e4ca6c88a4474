"""Tasks as JSON, where sending them to a bridge would take too long."""

from __future__ import annotations

import pytest

from bridge.web import taskjson


@pytest.mark.timeout(240)  # looked for by comparing each name with each, it takes an hour
def test_a_name_that_stands_there_twice_is_found_among_very_many() -> None:
    body = "{" + "".join(f'"{n}":1,' for n in range(300_000)) + '"z":1,"z":2}'
    with pytest.raises(taskjson.UnreadableTask, match="'z' stands there twice"):
        taskjson.read(body.encode())
