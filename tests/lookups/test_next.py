"""`many: next`: the record whose date is the soonest still to come, whoever keeps it and whatever is cached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.config.load import load
from bridge.queries.answering import Question
from bridge.service.composition import Service
from connectors.phone import parse
from tests.config.files import ENVIRONMENT, LINES, told, write
from tests.fakes.rest_crm import RestCrm, customer

MADRID = ZoneInfo("Europe/Madrid")
CLINIC = f"""{LINES}
connectors:
  agenda:
    type: csv
    tables:
      cita: {{file: citas.csv, phones: [tel], key: id, date: fecha}}
queries:
  CITA:
    find:
      cita: {{in: agenda, phone: "{{{{ caller }}}}", many: next}}
    answer: {{QUE: "{{{{ cita.que }}}}", CUANDO: "{{{{ cita.fecha | spoken }}}}"}}
    not_found: {{QUE: NINGUNA, result: 0}}
"""
APPOINTMENTS = """\
id;tel;que;fecha
7;600111222;revisión;24/12/2026 10:00
8;600111222;empaste;23/12/2026 17:30
9;600111222;pasada;01/02/2024
10;600111222;todo el día;25/12/2026
11;600111222;sin fecha;
12;600111222;ilegible;pronto
16;600111222;nunca;0001-01-01T00:00:00Z
17;600111222;siempre;31/12/9999
13;600333444;otra persona;22/12/2026 9:00
14;600111222;iso;2027-01-07T09:15:00
15;600111222;con zona;2027-01-07T08:30:00+00:00
"""


class Clock:
    def __init__(self, at: str) -> None:
        self.set(at)

    def set(self, at: str) -> None:
        self.now = datetime.fromisoformat(at).replace(tzinfo=MADRID)

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def serving(folder: Path, text: str, clock: Clock) -> Iterator[Any]:
    """Asks a Query of a configuration at the clock's moment; gives its variables and the trail's notes."""
    loaded = load(write(folder, text), ENVIRONMENT)
    service = Service.open(loaded, now=clock)

    def ask(query: str = "CITA", caller: str = "600111222") -> tuple[dict[str, str], str]:
        line = loaded.configuration.lines[0]
        answered = service.queries.answer(Question(query, line, parse(caller, "ES")))
        return dict(answered.variables), "; ".join(entry.note for entry in answered.trail)

    try:
        yield ask
    finally:
        service.close()


@pytest.mark.parametrize(
    ("at", "expected", "said"),
    [
        ("2026-12-01T09:00", "empaste", "el miércoles veintitrés de diciembre a las cinco y media de la tarde"),
        ("2026-12-23T17:30", "empaste", "hoy a las cinco y media de la tarde"),
        ("2026-12-23T17:30:01", "revisión", "mañana a las diez"),
        ("2026-12-24T10:01", "todo el día", "mañana"),
        ("2026-12-25T23:59", "todo el día", "hoy"),
        ("2026-12-26T00:00", "iso", None),
        ("2027-01-07T09:16", "con zona", "hoy a las nueve y media"),
        ("2027-01-07T09:31", "siempre", None),
    ],
)
def test_the_soonest_that_is_not_over_as_spanish_files_write_it(
    tmp_path: Path, at: str, expected: str, said: str | None
) -> None:
    (tmp_path / "citas.csv").write_text(APPOINTMENTS, encoding="utf-8")
    with serving(tmp_path, CLINIC, Clock(at)) as ask:
        answer, _ = ask()
    assert answer["QUE"] == expected
    assert said is None or answer["CUANDO"] == said


def test_that_nothing_is_to_come_is_not_found_and_said(tmp_path: Path) -> None:
    (tmp_path / "citas.csv").write_text("id;tel;que;fecha\n1;600111222;x;01/12/2026 10:00\n", encoding="utf-8")
    with serving(tmp_path, CLINIC, Clock("2026-12-01T11:00")) as ask:
        assert ask() == ({"QUE": "NINGUNA"}, "none of them is still to come")


def test_an_old_file_of_thousands_of_rows_hides_nothing(tmp_path: Path) -> None:
    rows = [f"{number};600111222;vieja {number};01/03/2020 {number % 24:02}:00" for number in range(3000)]
    rows += [f"{number};600111222;futura {number};01/03/2040 10:00" for number in range(3000, 4000)]
    rows.insert(1500, "9999;600111222;la buena;02/12/2026 10:00")
    (tmp_path / "citas.csv").write_text("id;tel;que;fecha\n" + "\n".join(rows) + "\n", encoding="utf-8")
    with serving(tmp_path, CLINIC, Clock("2026-12-01T11:00")) as ask:
        assert ask()[0]["QUE"] == "la buena"


def test_by_key_and_by_the_former_name_of_the_option(tmp_path: Path) -> None:
    (tmp_path / "citas.csv").write_text(
        "ref,que,fecha\nA1,primera,2026-12-02 09:00\nA1,segunda,2026-12-03\nA1,pasada,2026-11-30\n", encoding="utf-8"
    )
    text = CLINIC.replace("phones: [tel], key: id, date: fecha", "key: ref, newest: fecha")
    text = text.replace('phone: "{{ caller }}"', "key: \"{{ caller and 'A1' }}\"")
    clock = Clock("2026-12-01T11:00")
    with serving(tmp_path, text, clock) as ask:
        assert ask()[0]["QUE"] == "primera"
        clock.set("2026-12-03T18:00")
        assert ask()[0]["QUE"] == "segunda"


REST = f"""{LINES}
connectors:
  crm:
    type: rest
    base_url: URL
    records:
      cita:
        search: {{path: /customers, params: {{q: "{{{{ phone.digits | last(9) }}}}"}}}}
        items: data
        fields: {{id: id, que: full_name, fecha: changed, phone: phone}}
        date: changed
queries:
  CITA:
    cache: {{fresh: 1h}}
    find:
      cita: {{in: crm, phone: "{{{{ caller }}}}", many: next}}
    answer: {{QUE: "{{{{ cita.que }}}}", CUANDO: "{{{{ cita.fecha | date('%d/%m %H:%M') }}}}"}}
    not_found: {{QUE: NINGUNA}}
"""


@pytest.fixture
def crm() -> Iterator[RestCrm]:
    with RestCrm() as crm:
        crm.store.customers = [
            customer(1, "tarde", "600111222", changed="2026-12-24T09:00:00Z"),
            customer(2, "pronto", "600111222", changed="2026-12-23T17:30:00+01:00"),
            customer(3, "pasada", "600111222", changed="2020-01-01T00:00:00Z"),
            customer(4, "otra", "600999888", changed="2026-12-22T00:00:00Z"),
        ]
        yield crm


def test_an_answer_that_is_kept_makes_no_passed_appointment_the_next(tmp_path: Path, crm: RestCrm) -> None:
    clock = Clock("2026-12-23T17:00")
    with serving(tmp_path, REST.replace("URL", crm.url), clock) as ask:
        assert ask() == ({"QUE": "pronto", "CUANDO": "23/12 17:30"}, "2 match")
        clock.set("2026-12-23T17:31")
        assert ask() == ({"QUE": "tarde", "CUANDO": "24/12 10:00"}, "from the cache")
        clock.set("2026-12-24T10:01")
        answer, note = ask()
        assert answer == {"QUE": "NINGUNA"}
        assert note.startswith("from the cache")


def test_seconds_and_milliseconds_are_dates_as_well(tmp_path: Path, crm: RestCrm) -> None:
    soon = datetime(2026, 12, 23, 18, tzinfo=MADRID).timestamp()
    crm.store.customers = [
        {**customer(1, "en milisegundos", "600111222"), "changed": int(soon * 1000)},
        {**customer(2, "en segundos", "600111222"), "changed": int(soon) - 600},
        {**customer(3, "en nada", "600111222"), "changed": None},
    ]
    clock = Clock("2026-12-23T17:00")
    with serving(tmp_path, REST.replace("URL", crm.url), clock) as ask:
        assert ask()[0]["QUE"] == "en segundos"
        clock.set("2026-12-23T17:55")
        assert ask()[0]["QUE"] == "en milisegundos"


def test_without_a_date_it_is_a_fault_that_says_what_to_add(tmp_path: Path) -> None:
    (tmp_path / "citas.csv").write_text(APPOINTMENTS, encoding="utf-8")
    (said,) = told(tmp_path, CLINIC.replace(", date: fecha", ""))
    assert "queries.CITA.find.cita.many: in connector agenda, cita has no date" in said
    assert "add date:" in said
    (said,) = told(tmp_path, CLINIC.replace("date: fecha", "date: fecha, newest: fecha"))
    assert "keep date:" in said
    (said,) = told(tmp_path, CLINIC.replace("date: fecha", "date: cuando"))
    assert "connectors.agenda.tables.cita.date" in said
    activity = 'activities:\n  - {in: crm, find: {contact: {phone: "{{ caller }}", many: next}}}\n'
    crm = """
connectors:
  crm:
    type: rest
    base_url: http://localhost
    records: {contact: {search: {path: "/{{ phone }}"}}}
    activity: {create: {path: /c, idempotent: true}}
"""
    (said,) = told(tmp_path, LINES + crm + activity)
    assert "activities[0].find.contact.many: in connector crm, contact has no date" in said
