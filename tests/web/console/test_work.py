"""*Work*: what has to reach the CRMs, and what is done about it there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from bridge.store import audit, deliveries
from bridge.store.audit import AuditFilter
from bridge.store.database import Database
from bridge.store.deliveries import Failure, NewDelivery, State, Took
from bridge.store.schema import connect
from bridge.web.console.sections import Role
from tests.fakes.exchange import final
from tests.waiting import until
from tests.web.bridge_process import Bridge, running, written
from tests.web.console.case import CONFIGURATION, Browser, words

NAME = "<script>alert('Ana')</script>"


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    database = connect("sqlite:///bridge.db", folder)
    try:
        yield database
    finally:
        database.close()


def made(folder: Path, count: int, state: State = State.DEAD, prefix: str = "k") -> list[int]:
    """Deliveries in a state, as workers leave them."""
    now = datetime.now(UTC)
    call = {"id": "7", "line": "912345678", "caller": "600111222", "e164": "+34600111222"}
    new = [
        NewDelivery("activity", f"{prefix}{n}", "shop", {"call": call, "name": NAME}, "+34600111222")
        for n in range(count)
    ]
    with opened(folder) as database, database.write() as connection:
        ids = sorted(deliveries.add(database, connection, new, now).values())
        for id_ in ids:
            deliveries.claim(connection, id_, "w", now + timedelta(seconds=1), now)
            failure = Failure(f"400: {NAME} is not wanted", "Rejected", f"POST /calls\n{NAME}")
            if state is State.DEAD:
                deliveries.dead(connection, id_, "w", Took(now, 12), failure)
            else:
                deliveries.later(connection, id_, "w", now + timedelta(days=3), Took(now, 12), failure)
    return ids


def states(folder: Path, ids: list[int]) -> set[State]:
    with opened(folder) as database, database.read() as connection:
        jobs = [deliveries.get(connection, id_) for id_ in ids]
    return {job.state for job in jobs if job is not None}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """One that serves, with nobody who works in the background, so that what is due stays as it is."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(tmp_path) as served:
        yield served


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Bridge]:
    """One that serves and works."""
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(tmp_path, work=True) as served:
        yield served


def test_what_failed_is_listed_with_its_reason_and_what_to_do(bridge: Bridge, tmp_path: Path) -> None:
    (id_,) = made(tmp_path, 1)
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    listed = browser.get("/console/work?state=dead")
    assert "+34 600 11 12 22" in words(listed)
    assert "failed for good" in words(listed)
    assert "<script>alert" not in listed.text
    page = browser.get(f"/console/work/{id_}")
    assert "400: <script>alert('Ana')</script> is not wanted" in words(page)
    assert "The CRM refused this very record" in words(page)
    assert "<script>alert" not in page.text
    assert browser.get("/console/work/999").status_code == 404


def test_reasons_are_in_the_readers_language(working: Bridge) -> None:
    body, form = written(final())
    assert working.post("event/fin", body, form).status == 200
    browser = Browser(working, "es").sign_in(Role.OPERATOR)
    until(lambda: "conexión rechazada" in words(browser.get("/console/work?state=failed")))
    assert "la búsqueda de contact falló: shop: GET http://127.0.0.1:9/c" in words(browser.get("/console/work"))


def test_a_viewer_sees_neither_numbers_nor_what_was_sent(bridge: Bridge, tmp_path: Path) -> None:
    (id_,) = made(tmp_path, 1)
    browser = Browser(bridge).sign_in(Role.VIEWER)
    for address in ("/console/work", f"/console/work/{id_}"):
        page = browser.get(address).text
        assert "600111222" not in page
        assert "Ana" not in page
    assert "600 11 12 22" not in browser.get("/console/work").text
    assert browser.post("/console/work/retry", {"id": id_}).status_code == 403


def test_one_is_tried_again_or_given_up(bridge: Bridge, tmp_path: Path) -> None:
    first, second = made(tmp_path, 2)
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    browser.get("/console/work")
    assert browser.post("/console/work/retry", {"id": first}).headers["Location"] == f"/console/work/{first}"
    assert "It is tried again now." in words(browser.get(f"/console/work/{first}"))
    browser.post("/console/work/discard", {"id": second})
    assert states(tmp_path, [second]) == {State.DISCARDED}
    browser.post("/console/work/retry", {"id": second})
    assert "Nothing was done" in words(browser.get(f"/console/work/{second}"))
    for given in ("", "x", "9" * 30, "-1"):
        assert browser.post("/console/work/retry", {"id": given}).status_code == 400
    with opened(tmp_path) as database, database.read() as connection:
        noted = [(entry.who, entry.action, entry.subject) for entry in audit.find(connection, AuditFilter(), 2)]
    assert noted == [("turno", "job.discard", str(second)), ("turno", "job.retry", str(first))]


def test_a_list_goes_on_where_the_page_before_ended(bridge: Bridge, tmp_path: Path) -> None:
    ids = made(tmp_path, 60)
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    first = browser.get("/console/work?state=dead").text
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = browser.get(unescape(following)).text
    for page, expected in ((first, ids[10:]), (second, ids[:10])):
        assert [id_ for id_ in ids if f'href="/console/work/{id_}"' in page] == expected


def test_many_are_planned_begun_and_followed(working: Bridge, tmp_path: Path) -> None:
    ids = made(tmp_path, 450)
    browser = Browser(working).sign_in(Role.OPERATOR)
    plan = browser.get("/console/work/plan?action=discard&state=dead&connector=shop")
    assert "450 records in all." in words(plan)
    later = made(tmp_path, 3, prefix="later")
    form = {"action": "discard", "state": "dead", "kind": "", "connector": "shop", "until": ids[-1]}
    begun = browser.post("/console/work/start", form)
    assert begun.status_code == 303
    until(lambda: "450 of 450" in words(browser.get(begun.headers["Location"])), 60)
    assert "finished" in words(browser.get(begun.headers["Location"]))
    assert states(tmp_path, ids) == {State.DISCARDED}
    assert states(tmp_path, later) == {State.DEAD}


def test_a_run_that_is_stopped_does_no_more(bridge: Bridge, tmp_path: Path) -> None:
    ids = made(tmp_path, 3)
    browser = Browser(bridge).sign_in(Role.OPERATOR)
    browser.get("/console/work")
    begun = browser.post("/console/work/start", {"action": "retry", "state": "dead", "until": ids[-1]})
    where = begun.headers["Location"]
    assert browser.post("/console/work/stop", {"id": where.rsplit("/", 1)[1]}).status_code == 303
    assert "It is stopped." in words(browser.get(where))
    assert browser.post("/console/work/stop", {"id": where.rsplit("/", 1)[1]}).status_code == 303
    assert "it has ended already" in words(browser.get(where))
    assert states(tmp_path, ids) == {State.DEAD}


@pytest.mark.parametrize(
    "form",
    [
        {"action": "erase", "state": "dead", "until": "5"},
        {"action": "retry", "state": "done", "until": "5"},
        {"action": "retry", "state": "dead", "until": "all"},
        {"action": "retry", "state": "dead"},
    ],
)
def test_nothing_begins_that_was_not_planned(operator: Browser, form: dict[str, str]) -> None:
    operator.get("/console/work")
    assert operator.post("/console/work/start", form).status_code == 400
