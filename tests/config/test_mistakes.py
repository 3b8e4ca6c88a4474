"""Mistakes that people make and the file's types allow: one row a mistake, with where and in which words it is told."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from bridge.config.load import load
from tests.config.files import ENVIRONMENT, told, warned

CLINIC = """
lines:
  - {number: "912345678", password: "${PASSWORD}", extensions: ["101", "102"]}
connectors:
  clinic:
    type: csv
    tables:
      paciente: {file: pacientes.csv, phones: [Tel]}
      contact: {file: pacientes.csv, phones: [Tel]}
    activities: {file: calls.csv}
    tasks: {file: citas.csv}
"""
REST = """
  crm:
    type: rest
    base_url: https://crm.example.com
    tasks:
      list: {path: /tasks}
      fields: {id: id, tel: phone}
      update: {method: PATCH, path: "/tasks/{{ task.id }}", json: {estado: "{{ outcome.status }}"}}
"""


@pytest.fixture(autouse=True)
def clinic(tmp_path: Path) -> None:
    (tmp_path / "pacientes.csv").write_text("Nombre,Tel,Extensión,VIP\nAna,600111222,101,Sí\n", encoding="utf-8")
    (tmp_path / "citas.csv").write_text("id,Teléfono,due\n1,600111222,24/12/2026 10:30\n", encoding="utf-8")


def query(answer: str) -> str:
    return dedent(f"""
        queries:
          DESVIO:
            find: {{paciente: {{in: clinic, phone: "{{{{ caller }}}}", optional: true}}}}
            answer:
              - {answer}
        """)


def activity(rest: str) -> str:
    return f"activities:\n  - {{in: clinic{rest}}}\n"


SOURCE = '  - {from: clinic, purpose: service, line: "912345678", rule_group: x, number: "{{ task.Teléfono }}"}\n'
CALLED = f"callbacks:\n{SOURCE}"

FAULTS = {
    "a Query that knows no end": (query('{X: "{{ call.end }}"}'), "16:13", ["call.end", "in a Query", "activities:"]),
    "nor what it costs": (query('{X: "{{ call.cost_rx }}"}'), "16:13", ["call.cost_rx", "in a Query"]),
    "a part that a time has not": (query('{X: "{{ call.start.hora }}"}'), "16:13", ["call.start has no hora", "hour"]),
    "nor who answered": (
        query('{when: "{{ call.answered_by == \'101\' }}", X: "1"}'),
        "16:16",
        ["call.answered_by", "in a Query"],
    ),
    "curly quotes": (query("{DESTINO: “101”}"), "16:19", ["curly quotes", '"101"']),
    "a filter without its argument": (
        query('{X: "{{ vars.DIA | time }}"}'),
        "16:13",
        ["the filter time needs its format", "time('%d/%m/%Y %H:%M')"],
    ),
    "last without a count": (query('{X: "{{ vars.DIA | last }}"}'), "16:13", ["needs its count", "last(9)"]),
    "a list of people without its column": (
        CALLED.replace(', number: "{{ task.Teléfono }}"', ""),
        "10:19",
        ["connectors.clinic.tasks.file", "no phone", "id", "Teléfono", 'number: "{{ task.Teléfono }}"'],
    ),
    "a mapping without a number": (
        CALLED + '  - {from: crm, purpose: service, line: "912345678", rule_group: x}\n',
        "14:5",
        ["connectors.crm.tasks", "no phone", 'number: "{{ task.tel }}"'],
    ),
}

WARNINGS = {
    "an extension that is not there": (query('{DESTINO: "105"}'), "16:19", ["no line has the extension 105", "101"]),
    "a premium number": (query('{DESTINO: "806123456"}'), "16:19", ["premium number", "never dialled"]),
    "the line itself": (query('{DESTINO: "+34912345678"}'), "16:19", ["the line's own number"]),
    "a number with spaces": (query('{DESTINO: "911 000 002"}'), "16:19", ["as it stands", "write +34911000002"]),
    "no | dial": (
        query("{DESTINO: \"{{ paciente['Extensión'] }}\"}"),
        "16:19",
        ["{{ paciente.Extensión | dial }}", "whatever it costs"],
    ),
    "a text is no truth": (
        query('{when: "{{ paciente.VIP == true }}", X: "1"}'),
        "16:16",
        ["paciente.VIP is a text", "== 'Sí'"],
    ),
    "a text is no number": (query('{when: "{{ 5 < vars.NOTA }}", X: "1"}'), "16:16", ["vars.NOTA is a text", "| int"]),
    "the person's step is called otherwise": (
        activity(', find: {paciente: {phone: "{{ caller }}"}}'),
        "12:25",
        ["activities[0].find.paciente", "called contact", "instead of paciente"],
    ),
    "no step is the person": (
        activity(', find: {paciente: {phone: "{{ caller }}"}, otro: {table: paciente, phone: "{{ called }}"}}'),
        "12:18",
        ["activities[0].find", "called contact", "one of these"],
    ),
    "a name that is called otherwise": (
        activity(""),
        "12:10",
        ["contact.name", "Nombre, Tel, VIP", '"Llamada de {{ contact.Nombre or caller }}"', "columns: {name: Nombre}"],
    ),
    "outcomes that the CRM has no word for": (
        CALLED + '  - {from: crm, purpose: service, line: "912345678", rule_group: x, number: "{{ task.tel }}"}\n',
        "18:7",
        ["connectors.crm.tasks.statuses", "claimed, accepted, may_have_rung", "on:"],
    ),
    "a task's text is no truth": (
        CALLED.replace("rule_group: x", 'rule_group: x, when: "{{ task.due == true }}"'),
        "12:78",
        ["callbacks[0].when", "task.due is a text, never true"],
    ),
    "a column that the list does not have": (
        CALLED.replace("rule_group: x", 'rule_group: x, variables: {CITA: "{{ task.dia }}"}'),
        "12:90",
        ["tasks of clinic have no dia", "there are"],
    ),
}
STATUSES = """
      statuses: {answered: 1, busy: 2, no_answer: 3, failed: 4, rejected: 5, cancelled: 6, expired: 7}
"""


def whole(rest: str) -> str:
    with_rest = REST if "from: crm" in rest else ""
    return CLINIC.rstrip() + (with_rest.rstrip() + STATUSES.rstrip() if with_rest else "") + "\n" + rest


@pytest.mark.parametrize(("rest", "place", "words"), FAULTS.values(), ids=FAULTS)
def test_a_mistake_that_can_not_work_is_a_fault(tmp_path: Path, rest: str, place: str, words: list[str]) -> None:
    (said,) = told(tmp_path, whole(rest))
    assert said.startswith(f"{place}: "), said
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize(("rest", "place", "words"), WARNINGS.values(), ids=WARNINGS)
def test_a_mistake_that_is_legal_is_a_warning(tmp_path: Path, rest: str, place: str, words: list[str]) -> None:
    (said,) = [text for text in warned(tmp_path, whole(rest)) if "nothing uses" not in text]
    assert said.startswith(f"{place}: "), said
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize(
    ("number", "meant"),
    [("+34912345678", "write 912345678"), ("0034912345678", "write 912345678"), ("+351210000000", "")],
)
def test_a_lines_number_is_written_as_the_platform_does(tmp_path: Path, number: str, meant: str) -> None:
    said = warned(tmp_path, f'lines: [{{number: "{number}", password: "${{PASSWORD}}"}}]')
    assert [text.partition(": ")[0] for text in said] == (["1:18"] if meant else [])
    assert meant in "".join(said)


@pytest.mark.parametrize(
    "rest",
    [
        query('{DESTINO: "{{ paciente.Extensión | dial }}"}'),
        query('{DESTINO: "{{ (paciente.Extensión or 101) | dial }}"}'),
        query('{DESTINO: "101"}'),
        query('{DESTINO: "911000002"}'),
        query('{DESTINO: "+34911000002"}'),
        query('{DESTINO: ""}'),
        query('{DESTINO: "{{ vars.AGENTE }}"}'),
        query('{when: "{{ paciente.VIP == \'Sí\' and vars.NOTA | int > 5 }}", X: "1"}'),
        query('{X: "{{ call.id }} {{ call.uuid }} {{ call.direction }} {{ call.query }} {{ call.idcall }}"}'),
        activity(', subject: "{{ contact.Nombre }}"'),
        activity(', find: {}'),
        activity(', find: {contact: {phone: "{{ caller }}"}}, note: "{{ contact.Nombre }}"'),
        CALLED,
        CALLED.replace("rule_group: x", 'rule_group: x, at: "{{ task.due }}", variables: {CITA: "{{ task.due }}"}'),
        'callbacks:\n  - {name: web, purpose: service, line: "912345678", rule_group: x}\n',
    ],
)  # fmt: skip
def test_what_is_right_is_not_warned_of(tmp_path: Path, rest: str) -> None:
    assert [text for text in warned(tmp_path, whole(rest)) if "nothing uses" not in text] == []


def test_names_for_the_columns_of_a_file_mend_what_looks_for_ours(tmp_path: Path) -> None:
    text = CLINIC.replace("phones: [Tel]}", "phones: [phone], columns: {name: Nombre, phone: Tel}}")
    text = text.replace("{file: citas.csv}", "{file: citas.csv, columns: {phone: Teléfono}}").rstrip() + "\n"
    sources = CALLED.replace(', number: "{{ task.Teléfono }}"', "")
    assert [text for text in warned(tmp_path, text + activity("") + sources) if "nothing uses" not in text] == []


def test_all_outcomes_in_words_or_none_are_no_mistake(tmp_path: Path) -> None:
    rest = CALLED + '  - {from: crm, purpose: service, line: "912345678", rule_group: x, number: "{{ task.tel }}"}\n'
    good = whole(rest).replace(
        STATUSES.rstrip(), STATUSES.rstrip().replace("}", ", claimed: 8, accepted: 9, may_have_rung: 0}")
    )
    assert warned(tmp_path, good) == []
    assert warned(tmp_path, whole(rest).replace(STATUSES.rstrip(), "")) == []
    assert (
        warned(tmp_path, whole(rest).replace(STATUSES.rstrip(), f"{STATUSES.rstrip()}\n      on: [answered, busy]"))
        == []
    )


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('queries:\n  A:\n    answer:\n      DESTINO: "101\n      NOMBRE: "x"\n    text: y\n', "4:16", "before line 5"),
        ('queries:\n  A: {answer: {DESTINO: "101}}\n  B: {answer: {DESTINO: "101"}}\n', "2:25", "before line 3"),
        ("a: 'it''s\nb: 'x'\n", "1:4", "before line 2"),
    ],
)
def test_a_quote_that_is_not_closed_is_told_where_it_opens(tmp_path: Path, text: str, place: str, words: str) -> None:
    (said,) = told(tmp_path, text)
    assert said.startswith(f"{place}: the quote that opens here is not closed"), said
    assert words in said


@pytest.mark.parametrize("path", [r"C:\Users\ana\contacts.csv", r"C:\sites\contacts.csv"])
def test_a_windows_path_in_double_quotes_is_told_how_to_be_written(tmp_path: Path, path: str) -> None:
    (said,) = told(tmp_path, f'connectors:\n  a: {{type: csv, tables: {{b: {{file: "{path}"}}}}}}\n')
    assert "single quotes" in said
    assert "hexdecimal" not in said


def test_a_windows_path_whose_letters_were_taken_for_control_characters_is_told(tmp_path: Path) -> None:
    text = CLINIC.replace("{file: citas.csv}", r'{file: "C:\temp\new.csv"}')
    (said,) = told(tmp_path, text)
    assert "single quotes" in said
    assert "\t" not in said


def test_all_that_is_shipped_is_free_of_warnings() -> None:
    for file in ("config.example.yaml", "bridge/demo_data/config.yaml"):
        assert load(Path(__file__).parents[2] / file, ENVIRONMENT).warnings == ()
