"""The time in a served Query: the same as `ask` sees, on the wire."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridge.cli import main
from bridge.config.load import load
from bridge.infocaller.events import Panel
from bridge.service.composition import Service
from bridge.simulator.calls import Platform, SimulatedCall, Target
from bridge.web.infocaller import question
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, query, running, until

MADRID = ZoneInfo("Europe/Madrid")
EVEN = ", ".join(f'{{days: mon-sun, from: "{hour:02}:00", to: "{hour + 1:02}:00"}}' for hour in range(0, 24, 2))
CONFIGURATION = """
server: {url_key: "${BRIDGE_URL_KEY}", workers: 2, threads: 40}
lines:
  - {number: "912345678", password: "${INFOCALLER_PASSWORD}"}
hours:
  even: {open: [EVEN]}
  night: {open: {days: mon-sun, from: "22:30", to: "02:30"}, holidays: {country: ES, region: MD}}
  week: {open: {days: mon-fri, from: "09:00", to: "20:00"}, closed: [2026-12-24]}
connectors:
  agenda:
    type: csv
    tables:
      cita: {file: citas.csv, phones: [tel], date: fecha}
    activities: {file: llamadas.csv}
activities:
  - in: agenda
    find: {}
    fields: {abierto: "{{ hours.week.open }}", abre: "{{ hours.week.opens_at | spoken }}"}
queries:
  HORA:
    find:
      cita: {in: agenda, phone: "{{ caller }}", many: next, optional: true}
    answer:
      CITA: "{{ cita.fecha }}"
      AHORA: "{{ now | date('%Y-%m-%dT%H:%M %z') }}"
      EMPEZO: "{{ call.start | date('%Y-%m-%dT%H:%M') }}"
      PAR: "{{ hours.even.open }} {{ hours.even.opens_at }} {{ hours.even.closes_at }}"
      NOCHE: "{{ hours.night.open }} {{ hours.night.opens_at }} {{ hours.night.closes_at }}"
      SEMANA: "{{ hours.week.open }} {{ hours.week.opens_at | spoken }} {{ hours.week.closes_at | spoken }}"
  INICIO:
    answer: {EMPEZO: "{{ call.start }}"}
""".replace("EVEN", EVEN)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRIDGE_URL_KEY", KEY)
    monkeypatch.setenv("INFOCALLER_PASSWORD", PASSWORD)
    (tmp_path / "citas.csv").write_text(
        "tel,fecha\n600111222,29/03/2026 01:30\n600111222,24/12/2026 10:00\n", encoding="utf-8"
    )
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    file.chmod(0o600)
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Iterator[Bridge]:
    with running(folder) as bridge:
        yield bridge


def platform(bridge: Bridge) -> Platform:
    return Platform(Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY))


def asked(folder: Path, *options: str) -> dict[str, str]:
    said = StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit):
        main(["ask", "HORA", "--json", "--caller", "600111222", "-c", str(folder / "config.yaml"), *options])
    variables: dict[str, str] = json.loads(said.getvalue())["variables"]
    return variables


def test_ask_and_the_server_agree(folder: Path, served: Bridge) -> None:
    before = datetime.now(MADRID)
    with platform(served) as calls:
        answer = dict(calls.query(SimulatedCall("600111222", "7"), "HORA").variables)
    after = datetime.now(MADRID)
    assert answer in [asked(folder, "--at", moment.isoformat()) for moment in (before, after)]
    assert answer["AHORA"][:16] == answer["EMPEZO"]


def test_ask_and_the_server_agree_at_any_moment(folder: Path) -> None:
    moments = [datetime(2026, 3, 28, 22, tzinfo=UTC) + timedelta(minutes=29 * step) for step in range(12)]
    moments += [datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(minutes=29 * step) for step in range(12)]
    moments += [datetime(2026, 12, 23, 18, 59, 59, tzinfo=UTC), datetime(2026, 12, 24, 12, tzinfo=UTC)]
    clock = [moments[0]]
    loaded = load(folder / "config.yaml")
    service = Service.open(loaded, now=lambda: clock[0])
    try:
        for moment in moments:
            clock[0] = moment
            document = query("HORA", call="7")
            answered = service.queries.answer(question(document, loaded.configuration.lines[0], "HORA", Panel()))
            assert dict(answered.variables) == asked(folder, "--at", moment.isoformat()), moment
    finally:
        service.close()


def test_a_query_knows_when_its_call_began(served: Bridge) -> None:
    with platform(served) as calls:
        call = SimulatedCall("600111222", "98765")

        def began(asking: SimulatedCall = call) -> datetime:
            return datetime.fromisoformat(calls.query(asking, "INICIO").variables["EMPEZO"])

        before = datetime.now(MADRID).replace(microsecond=0)
        assert calls.event(call, "inicio").good
        after = datetime.now(MADRID)
        until(lambda: datetime.now(MADRID) > after + timedelta(seconds=1))
        until(lambda: before <= began() <= after)  # a busy machine may not know it within a tenth of a second
        arrived = datetime.now(MADRID).replace(microsecond=0)
        assert arrived <= began(SimulatedCall("600111222", "1")) <= datetime.now(MADRID)


def test_events_are_dated_as_if_the_call_had_begun_then(folder: Path) -> None:
    with running(folder, work=True) as bridge:
        base = f"http://127.0.0.1:{bridge.port}"
        at = ["simulate", "received", "--base", base, "-c", str(folder / "config.yaml"), "--at", "2026-12-23T19:59"]
        with redirect_stdout(StringIO()), pytest.raises(SystemExit) as ended:
            main(at)
        assert ended.value.code == 0
        file = folder / "llamadas.csv"
        until(file.exists)
        until(lambda: len(file.read_text("utf-8").splitlines()) > 1)
    [row] = csv.DictReader(StringIO(file.read_text("utf-8"), newline=""))
    assert row["start"] == "2026-12-23T19:59:00+01:00"
    assert (row["abierto"], row["abre"]) == ("true", "el viernes a las nueve")  # as of the call
