"""Troubles of a bridge that runs in earnest: told once for the host when they begin and when they end, and shown."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.disk import fill, small_disk
from tests.fakes.proxy import Proxy
from tests.web.bridge_process import CONFIGURATION, KEY, LINE, PASSWORD, Bridge, Reply, query, running, until, written

ON_A_SMALL_DISK = """
database: sqlite:///small/bridge.db
state: small/state
server: {url_key: "${BRIDGE_URL_KEY}", workers: 2, threads: 40}
lines: [{number: "912345678", password: "${INFOCALLER_PASSWORD}"}]
queries:
  ECO: {answer: {ECO: "1"}}
callbacks:
  - {name: web, line: "912345678", rule_group: x, token: 0123456789abcdefghijklmnop, hours: always}
"""
WITH_CRMS = """
language: en
server: {{url_key: "${{BRIDGE_URL_KEY}}", workers: 2, threads: 40}}
lines: [{{number: "912345678", password: "${{INFOCALLER_PASSWORD}}"}}]
connectors:
  agenda:
    type: csv
    tables: {{contact: {{file: contacts.csv, phones: [phone]}}}}
    activities: {{file: activities.csv}}
  shop:
    type: rest
    base_url: {url}
    records: {{order: {{search: {{path: "/orders/{{{{ key }}}}"}}}}}}
    activity: {{create: {{path: /calls, json: {{key: "{{{{ activity.key }}}}"}}}}}}
queries:
  QUIEN: {{find: {{contact: {{in: agenda, phone: "{{{{ caller }}}}"}}}}, answer: {{NOMBRE: "{{{{ contact.name }}}}"}}}}
activities:
  - {{in: agenda}}
"""
ENVIRON = os.environ | {"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD}


def command(bridge: Bridge, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the bridge's commands, on its configuration."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments, "-c", str(bridge.configuration)],
        env=ENVIRON, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def status(bridge: Bridge) -> dict[str, Any]:
    """What `status --json` says."""
    said = command(bridge, "status", "--json")
    told: dict[str, Any] = json.loads(said.stdout)
    assert said.returncode == int(any(one["severity"] == "error" for one in told["troubles"])), said
    return told


def ids(bridge: Bridge) -> list[str]:
    """What troubles there are; `/metrics` shows the same as `status`, and sooner."""
    return sorted(re.findall(r'^infocaller_troubles\{id="([^"]+)"', bridge.ask("GET", "/metrics").text, re.M))


def told(bridge: Bridge, id_: str) -> list[str]:
    """The levels of the log lines about a trouble."""
    return re.findall(rf"level=(\w+) at=bridge.troubles .* trouble={re.escape(id_)}$", bridge.log, re.M)


def test_a_trouble_is_logged_once_when_it_begins_and_once_when_it_ends(tmp_path: Path) -> None:
    with running(tmp_path, work=True) as bridge:
        until(lambda: "the background work has begun" in bridge.log)
        assert ids(bridge) == []
        assert command(bridge, "lines", "pause", LINE, "--reason", "lunch").returncode == 0
        (found,) = status(bridge)["troubles"]
        assert (found["id"], found["severity"], found["count"]) == (f"line:{LINE}", "warning", 1)
        assert "lunch" in found["text"]
        assert f"infocaller-bridge lines resume {LINE}" in found["action"]
        until(lambda: told(bridge, "line:•••678") == ["warning"])
        os.kill(bridge.serving[0], signal.SIGKILL)  # it may have been the one that watches
        assert command(bridge, "lines", "resume", LINE).returncode == 0
        until(lambda: told(bridge, "line:•••678") == ["warning", "info"])
        assert ids(bridge) == []


def event(bridge: Bridge, call: str) -> int:
    """The status of the answer to an event of the size of a long call's."""
    fin = replace(query(call=call, variables={"DATO": "x" * 20_000}), query_name="", seconds=9)
    return bridge.post("event/fin", *written(fin)).status


def ready(bridge: Bridge) -> list[int]:
    """What `/readyz` says, whichever process answers."""
    return sorted({bridge.ask("GET", "/readyz").status for _ in range(8)})


def task(bridge: Bridge, id_: str) -> Reply:
    body = json.dumps({"id": id_, "phone": "600111222"}).encode()
    return bridge.post("/callbacks/web", body, headers={"Authorization": "Bearer 0123456789abcdefghijklmnop"})


def test_a_full_disk_is_told_by_everybody_until_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(ON_A_SMALL_DISK, encoding="utf-8")
    with small_disk(tmp_path / "small", "6m") as disk, running(tmp_path) as bridge:
        assert (event(bridge, "1"), task(bridge, "1").status, ready(bridge)) == (200, 202, [200])
        filling = fill(disk)
        calls = iter(range(1000))
        until(lambda: event(bridge, f"full-{next(calls)}") == 503)  # the log of the database has some room left
        until(lambda: ready(bridge) == [503])
        assert "the disk is full" in json.loads(bridge.ask("GET", "/readyz").text)["checks"]["database"]
        for number in range(40):  # one may find room where an event did not
            refused = task(bridge, f"full-{number}")
            assert refused.status in (202, 503), refused
        assert refused.status == 503, refused
        found = {one["id"]: one["severity"] for one in status(bridge)["troubles"]}
        assert found.keys() >= {f"disk:{disk / 'state'}", "database", "events_refused"}
        assert set(found.values()) == {"error"}
        assert 'infocaller_troubles{id="events_refused",severity="error"} 1.0' in bridge.ask("GET", "/metrics").text
        until(lambda: told(bridge, "database") == ["error"])
        filling.unlink()
        until(lambda: ready(bridge) == [200])
        until(lambda: event(bridge, "2") == 200)
        until(lambda: ids(bridge) == [])
        until(lambda: told(bridge, "database") == told(bridge, "events_refused") == ["error", "info"])
        assert told(bridge, f"disk:{disk / 'state'}") == ["error", "info"]
        assert "Traceback" not in bridge.log


def test_a_configuration_that_is_refused_is_told_once_for_all_processes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("language: en\n" + CONFIGURATION % "", encoding="utf-8")
    with running(tmp_path, work=True) as bridge:
        until(lambda: "the background work has begun" in bridge.log)
        good = bridge.configuration.read_text()
        bridge.configuration.write_text(good + "  ROTA: {anser: {X: '1'}}\n")
        until(lambda: bridge.log.count("configuration refused") == 3)
        until(lambda: "one before goes on serving" in status(bridge)["troubles"][0]["text"])
        (found,) = status(bridge)["troubles"]
        assert (found["id"], found["severity"]) == ("configuration", "error")
        assert "anser" in found["text"]
        until(lambda: told(bridge, "configuration") == ["error"])
        bridge.configuration.write_text(good)
        until(lambda: ids(bridge) == [])
        until(lambda: told(bridge, "configuration") == ["error", "info"])


def test_a_query_that_the_configuration_lacks_and_an_event_that_can_not_be_read(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        bridge.post("query", *written(query("NUEVA")))
        assert bridge.post("event/fin", b"{", "application/json").status == 400
        found: dict[str, Any] = {}

        def shown() -> bool:  # the serving processes write down what they saw within a moment
            found.update({one["id"]: one for one in status(bridge)["troubles"]})
            return found.keys() == {"unknown_query:NUEVA", "events_refused:unreadable"}

        until(shown)
        assert "'NUEVA'" in found["unknown_query:NUEVA"]["text"]
        bridge.configuration.write_text(bridge.configuration.read_text() + "  NUEVA: {answer: {X: '1'}}\n")
        until(lambda: bridge.log.count("configuration taken up") == 2)

        def answered() -> bool:
            bridge.post("query", *written(query("NUEVA")))
            return ids(bridge) == ["events_refused:unreadable"]

        until(answered)


def test_the_figures_tell_of_lines_callbacks_and_what_waits(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "config.yaml").write_text(ON_A_SMALL_DISK, encoding="utf-8")
    with running(tmp_path) as bridge:
        assert task(bridge, "1").status == 202
        command(bridge, "lines", "pause", LINE)
        text = bridge.ask("GET", "/metrics").text
    assert f'infocaller_line_mode{{line="{LINE}",mode="held"}} 1.0' in text
    assert f'infocaller_line_mode{{line="{LINE}",mode="running"}} 0.0' in text
    assert f'infocaller_troubles{{id="line:{LINE}",severity="warning"}} 1.0' in text
    assert 'infocaller_callbacks{state="waiting"} 1.0' in text
    assert "infocaller_oldest_pending_seconds 0.0" in text
    assert "infocaller_spool_rows 0.0" in text


def test_a_postgresql_that_is_away_is_a_trouble_but_the_host_stays_ready(tmp_path: Path, postgres_url: str) -> None:
    """What it promises, it can keep: events are in the spool."""
    with Proxy("127.0.0.1", 5432) as proxy:
        url = postgres_url.replace(":5432", f":{proxy.port}")
        (tmp_path / "config.yaml").write_text(ON_A_SMALL_DISK.replace("sqlite:///small/bridge.db", url))
        with running(tmp_path) as bridge:
            assert (event(bridge, "1"), ready(bridge), ids(bridge)) == (200, [200], [])
            proxy.away()
            assert event(bridge, "2") == 200
            until(lambda: {"database", "spool"} <= set(ids(bridge)))
            assert ready(bridge) == [200]
            assert "infocaller_spool_rows 1.0" in bridge.ask("GET", "/metrics").text
            proxy.back()
            until(lambda: ids(bridge) == [])
            assert ready(bridge) == [200]


def test_calls_that_are_logged_leave_no_trouble_and_a_crm_that_refuses_does(tmp_path: Path) -> None:
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(WITH_CRMS.format(url="http://127.0.0.1:9"), encoding="utf-8")
    with running(tmp_path, work=True) as bridge:
        for number in range(5):
            assert bridge.post("query", *written(query("QUIEN", call=str(number)))).status == 200
            assert event(bridge, str(number)) == 200
        until((tmp_path / "activities.csv").exists)
        until(lambda: "infocaller_oldest_pending_seconds 0.0" in bridge.ask("GET", "/metrics").text)
        assert status(bridge)["troubles"] == []
        assert not re.search("at=bridge.troubles", bridge.log)
        bridge.configuration.write_text(bridge.configuration.read_text().replace("in: agenda}", "in: shop}"))
        until(lambda: bridge.log.count("configuration taken up") == 3)
        assert event(bridge, "6") == 200
        until(lambda: ids(bridge) == ["crm:shop"])
        text = status(bridge)["troubles"][0]["text"]
        assert "1 record waits for the CRM shop, which can't be reached" in text
        assert "looking up contact" not in text, "it knows no contacts, so none is needed"
        until(lambda: told(bridge, "crm:shop") == ["warning"])


def test_what_is_wrong_is_said_in_spanish_to_the_end(tmp_path: Path) -> None:
    """Also what a connector, the database and `check` say of it."""
    (tmp_path / "contacts.csv").write_text("phone,name\n600111222,Ana\n", encoding="utf-8")
    spanish = WITH_CRMS.format(url="http://127.0.0.1:9").replace("language: en", "language: es")
    (tmp_path / "config.yaml").write_text(spanish, encoding="utf-8")
    with running(tmp_path, work=True) as bridge:
        until(lambda: "the background work has begun" in bridge.log)
        (tmp_path / "contacts.csv").unlink()
        bridge.configuration.write_text(spanish + "nada: 1\n", encoding="utf-8")
        (tmp_path / "bridge.db").unlink()
        assert event(bridge, "1") == 503, "it would go into a file that nobody finds again"
        expected = {"table:agenda.contact", "configuration", "database", "events_refused"}
        texts: dict[str, str] = {}

        def shown() -> bool:  # to a command as well, once the serving processes have written down what they saw
            texts.update({trouble["id"]: trouble["text"] for trouble in status(bridge)["troubles"]})
            return expected <= texts.keys() and "La configuración" in texts["configuration"]

        until(shown)
    assert "no existe el fichero" in texts["table:agenda.contact"]
    assert "contacts.csv (y 1 más)" in texts["configuration"]
    assert "no existe el fichero" in texts["configuration"].rpartition("La configuración")[2], (
        "as the processes refuse it"
    )
    assert "alguien ha borrado el fichero" in texts["database"]
    assert "alguien ha borrado el fichero" in texts["events_refused"]
