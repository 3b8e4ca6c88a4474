"""*Callbacks*, campaigns and missed calls in the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bridge.simulator.calls import Platform, SimulatedCall, Target, new_sequence
from bridge.store import callbacks
from bridge.store.callbacks import Callback, CallbackFilter, CallbackState
from bridge.store.schema import connect
from bridge.web.console.sections import Role
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running
from tests.web.console.case import CONFIGURATION, Browser, words

TOKEN = "0123456789abcdefghijklmnop"
CALLBACKS = f"""
callbacks:
  - {{name: web, token: {TOKEN}, line: "912345678", rule_group: callbacks, hours: always, dial: by_hand}}
  - {{name: people, line: "934567890", rule_group: people, hours: always}}
  - {{from: missed_calls, line: "912345678", rule_group: callbacks, hours: always, dial: by_hand}}
  - {{name: offers, purpose: commercial, consent: {{basis: "{{{{ task.basis }}}}", date: "{{{{ task.on }}}}"}},
      line: "934567890", rule_group: people, expires: 60d}}
"""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("callbacks")
    (folder / "config.yaml").write_text(CONFIGURATION + CALLBACKS, encoding="utf-8")
    with running(folder, work=True) as served:
        yield served


@pytest.fixture
def folder(bridge: Bridge) -> Path:
    return bridge.configuration.parent


@pytest.fixture(scope="module")
def browser(bridge: Bridge) -> Browser:
    return Browser(bridge).sign_in(Role.OPERATOR)


def stored(folder: Path, **criteria: str) -> list[Callback]:
    database = connect("sqlite:///bridge.db", folder)
    try:
        with database.read() as connection:
            return callbacks.find(connection, CallbackFilter(**criteria))  # type: ignore[arg-type]
    finally:
        database.close()


def asked(bridge: Bridge, phone: str, name: str) -> int:
    """The number of a callback that somebody asked for by HTTP."""
    answer = requests.post(
        f"http://127.0.0.1:{bridge.port}/callbacks/web",
        json={"id": phone, "phone": phone, "name": name},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    (callback,) = stored(bridge.configuration.parent, task_id=phone)
    return callback.id


def test_one_is_listed_shown_and_cancelled(bridge: Bridge, browser: Browser, folder: Path) -> None:
    id_ = asked(bridge, "600111222", "<script>Ana")
    assert "+34 600 11 12 22" in words(browser.get("/console/callbacks?number=600+111+222"))
    assert "There are none." in words(browser.get("/console/callbacks?number=600999999"))
    page = browser.get(f"/console/callbacks/{id_}")
    assert "It waits for you" in words(page)
    assert "<script>Ana" in words(page)
    assert "<script>Ana" not in page.text
    assert browser.post("/console/callbacks/cancel", {"id": id_}).status_code == 303
    assert "It is not called any more." in words(browser.get(f"/console/callbacks/{id_}"))
    assert stored(folder, task_id="600111222")[0].state is CallbackState.CANCELLED
    browser.post("/console/callbacks/call", {"id": id_})
    assert "Nothing was done" in words(browser.get(f"/console/callbacks/{id_}"))


def test_a_viewer_sees_it_masked_and_changes_nothing(bridge: Bridge) -> None:
    id_ = asked(bridge, "600333444", "Zoraida")
    viewer = Browser(bridge).sign_in(Role.VIEWER)
    for address in ("/console/callbacks", f"/console/callbacks/{id_}"):
        page = viewer.get(address).text
        assert "600333444" not in page
        assert "600 33 34 44" not in page
        assert "Zoraida" not in page
    assert viewer.post("/console/callbacks/cancel", {"id": id_}).status_code == 403


@pytest.mark.parametrize("fields", [{}, {"id": "x"}, {"id": "9" * 40}, {"id": "1", "rang": "perhaps"}])
def test_broken_forms_change_nothing(operator: Browser, fields: dict[str, str]) -> None:
    operator.get("/console/callbacks")
    assert operator.post("/console/callbacks/confirm", fields).status_code == 400


def test_a_source_is_paused_and_resumed(browser: Browser) -> None:
    browser.get("/console/callbacks")
    browser.post("/console/sources/pause", {"source": "people", "reason": "holiday"})
    assert "paused by a person" in words(browser.get("/console/callbacks"))
    browser.post("/console/sources/resume", {"source": "people"})
    assert "paused by a person" not in words(browser.get("/console/callbacks"))
    assert browser.post("/console/sources/pause", {"source": "nobody"}).status_code == 404


def test_a_file_is_looked_at_started_paused_and_cancelled(browser: Browser, folder: Path) -> None:
    browser.post("/console/lines/pause", {"line": "934567890"})
    browser.get("/console/callbacks/campaigns")
    people = "id;teléfono;phone\nA;;600111222\nB;;600111223\nC;;no\n".encode("cp1252")
    answer = browser.upload(
        "/console/callbacks/campaigns/upload", {"source": "people", "name": "Otoño 2026"}, "C:\\gente.csv", people
    )
    plan = browser.get(answer.headers["Location"])
    assert "Rows 3 Would be called 2" in words(plan).replace("</dt>", "")
    in_spanish = words(browser.get(answer.headers["Location"], **{"Accept-Language": "es"}))
    assert "nadie: la línea 934567890 está en pausa por decisión de una persona (turno); sigue con" in in_spanish
    assert "4 no hay número al que llamar" in in_spanish
    assert stored(folder, source="people") == []
    token = answer.headers["Location"].split("upload=")[1]
    started = browser.post("/console/callbacks/campaigns/start", {"upload": token})
    assert started.headers["Location"] == "/console/callbacks/campaigns/Oto-o-2026"
    assert "0 of 2" in words(browser.get(started.headers["Location"]))
    assert len(stored(folder, source="people")) == 2
    again = browser.post("/console/callbacks/campaigns/start", {"upload": token})
    assert again.headers["Location"] == "/console/callbacks/campaigns"
    assert [path for path in folder.rglob("uploads/*") if token in path.name] == []
    for action in ("pause", "resume", "cancel"):
        assert browser.post(f"/console/callbacks/campaigns/{action}", {"name": "Oto-o-2026"}).status_code == 303
    assert {callback.state for callback in stored(folder, source="people")} == {CallbackState.CANCELLED}
    results = browser.get("/console/callbacks/campaigns/Oto-o-2026/results.csv")
    assert results.text.splitlines()[0] == "id,number,status,text,at,seconds,idcall"
    assert browser.get("/console/callbacks/campaigns/none").status_code == 404


def test_what_a_commercial_campaign_misses_is_said_before_and_after_it_is_taken(browser: Browser, folder: Path) -> None:
    people = b"phone,basis,on\n911111001,consent,2020-01-01\n911111002,,\n"
    browser.get("/console/callbacks/campaigns")
    answer = browser.upload("/console/callbacks/campaigns/upload", {"source": "offers", "name": "O"}, "o.csv", people)
    plan = words(browser.get(answer.headers["Location"]))
    assert "what allowed the call is too old (consent) until that is mended 1" in plan
    assert "2 more rows would be called if their consent were renewed" in plan
    assert "2 its consent of 2020-01-01 is older than 24 months: have it renewed" in plan
    token = answer.headers["Location"].split("upload=")[1]
    browser.post("/console/callbacks/campaigns/start", {"upload": token})
    waiting, _ = sorted(stored(folder, source="offers"), key=lambda callback: callback.id)
    assert "tiene más de 24 meses" in words(browser.get("/console/callbacks?source=offers"))
    assert "tiene más de 24 meses" in words(browser.get(f"/console/callbacks/{waiting.id}"))


def test_a_file_that_is_no_list_of_people_is_refused_by_its_name(browser: Browser, folder: Path) -> None:
    browser.get("/console/callbacks/campaigns")
    for content in (b"", b"\0\1\2", b"PK\3\4 no workbook", b"a,b\n1,2\n"):
        answer = browser.upload("/console/callbacks/campaigns/upload", {"source": "people"}, "gente.xlsx", content)
        refused = browser.get(answer.headers["Location"])
        assert refused.headers["Location"] == "/console/callbacks/campaigns"
        told = words(browser.get("/console/callbacks/campaigns"))
        assert "gente.xlsx" in told
        assert str(folder) not in told


def test_a_file_that_can_not_be_kept_is_said_so(browser: Browser, folder: Path) -> None:
    browser.get("/console/callbacks/campaigns")
    address, fields = "/console/callbacks/campaigns/upload", {"source": "people"}
    browser.upload(address, fields, "gente.csv", b"id,phone\nA,600111222\n")
    (uploads,) = folder.rglob("uploads")
    kept = uploads.rename(uploads.with_name("kept"))
    try:
        uploads.write_text("no folder")
        answer = browser.upload(address, fields, "gente.csv", b"id,phone\nA,600111222\n")
        assert answer.headers["Location"] == "/console/callbacks/campaigns"
        assert "The file can't be kept: File exists" in words(browser.get("/console/callbacks/campaigns"))
    finally:
        uploads.unlink()
        kept.rename(uploads)


def test_missed_calls_wait_until_somebody_speaks(bridge: Bridge, browser: Browser) -> None:
    target = Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY, timeout=30)
    with Platform(target) as platform:
        for _ in range(2):
            assert all(one.status == 200 for one in platform.events(SimulatedCall("600555666", new_sequence())))
        until(lambda: "+34 600 55 56 66" in words(browser.get("/console/missed")), 60)
        until(lambda: "waiting" in words(browser.get("/console/missed")), 60)
        platform.events(SimulatedCall("600555666", new_sequence(), diverted="101"))
    until(lambda: "Nobody waits for a call back." in words(browser.get("/console/missed?days=7")), 60)
