"""Sources of missed calls: which keys they take, and whose name wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.load import load, load_to_serve
from tests.config.files import ENVIRONMENT, LINES, loaded, told, warned, write

SOURCE = 'callbacks: [{from: missed_calls, line: "912345678", rule_group: missed%s}]'


def test_a_source_of_missed_calls_needs_no_connector(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, LINES + SOURCE % ", dial: by_hand, after: 10m").configuration
    [source] = configuration.callbacks
    assert (source.built_in, source.connector, source.title) == (True, None, "missed_calls")
    assert (source.dial, float(source.after)) == ("by_hand", 600.0)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        (", token: 0123456789abcdefghijklmnop", "token: missed calls come by no request: leave it out"),
        (", every: 5m", "every: missed calls are known at once: leave it out"),
        (', customer: "{{ task.phone }}"', "customer: a missed call is about whoever called: leave it out"),
        (", schedule: platform", "schedule: a request that went out ahead could not be taken back"),
    ],
)
def test_keys_that_mean_nothing_there_are_faults(keys: str, fault: str, tmp_path: Path) -> None:
    [said] = told(tmp_path, LINES + SOURCE % keys)
    assert fault in said


def test_after_is_of_missed_calls_alone(tmp_path: Path) -> None:
    text = LINES + 'callbacks: [{name: web, line: "912345678", rule_group: g, after: 10m}]'
    [said] = told(tmp_path, text)
    assert "callbacks[0].after: is of missed_calls alone" in said


def test_a_misspelt_name_is_told(tmp_path: Path) -> None:
    [said] = told(tmp_path, LINES + SOURCE.replace("missed_calls", "missed_call") % "")
    assert said.endswith("there is no connector missed_call; did you mean missed_calls?")


def test_names_in_its_expressions_are_checked(tmp_path: Path) -> None:
    text = LINES + SOURCE % ", variables: {V: '{{ task.cuont }}'}"
    assert next(said for said in warned(tmp_path, text) if "cuont" in said).endswith("did you mean count?")


def test_a_do_not_call_list_that_keeps_nobody_back_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "robinson.csv").write_text("phone\n600999888\n")
    agenda = "connectors: {agenda: {type: csv, tables: {robinson: {file: robinson.csv, phones: [phone]}}}}\n"
    text = LINES + agenda + SOURCE % ", do_not_call: {in: agenda, table: robinson}"
    [said] = warned(tmp_path, text)
    assert "do_not_call: keeps nobody back" in said


def test_two_lines_may_have_one_each_but_not_one_line_two(tmp_path: Path) -> None:
    lines = LINES + '  - {number: "912345670", password: "1"}\n'
    each = '  - {from: missed_calls, name: %s, line: "%s", rule_group: g}\n'
    loaded(tmp_path, lines + "callbacks:\n" + each % ("one", "912345678") + each % ("two", "912345670"))
    [said] = told(tmp_path, lines + "callbacks:\n" + each % ("one", "912345678") + each % ("two", "912345678"))
    assert "one takes all tasks of missed_calls already" in said


SAVED = ", save: {in: crm, table: recall, fields: {phone: '{{ task.phone }}'}, done: {state: '{{ outcome.status }}'}}"
CRM = """
connectors:
  crm:
    type: rest
    base_url: https://crm.example.com
    records: {recall: {create: {path: /recalls, json: {phone: "{{ field.phone }}"}, already: 409}%s}}
"""
UPDATE = ', update: {method: PATCH, path: "/recalls/{{ found.id }}", json: {state: "{{ field.state }}"}}'


def test_a_record_that_is_closed_needs_a_connector_that_can_change_it(tmp_path: Path) -> None:
    assert told(tmp_path, LINES + CRM % UPDATE + SOURCE % SAVED) == []
    assert warned(tmp_path, LINES + CRM % UPDATE + SOURCE % SAVED) == []
    [said] = told(tmp_path, LINES + CRM % "" + SOURCE % SAVED)
    assert "save.done: in connector crm, recall can't be changed once it is there: give it update:" in said


def test_names_in_what_is_saved_are_checked(tmp_path: Path) -> None:
    wrong = SAVED.replace("{{ task.phone }}", "{{ outcome.text }}").replace("table: recall", "table: recal")
    said = told(tmp_path, LINES + CRM % UPDATE + SOURCE % wrong)
    assert [one.partition(": ")[2] for one in said if "outcome" in one or "recal " in one] != []
    assert any("nothing is called outcome here" in one for one in said)
    assert any("did you mean recall?" in one for one in said)


FOUND = ", find: {recall: {in: crm, phone: '{{ task.phone }}'}}, variables: {V: '%s'}"
SEARCH = ', search: {path: /recalls, params: {phone: "{{ phone.e164 }}"}}, fields: {id: id, agent: agent}'


def test_what_is_looked_up_for_a_call_is_checked(tmp_path: Path) -> None:
    assert told(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND % "{{ recall.agent }}") == []
    assert warned(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND % "{{ recall.agent }}") == []
    [said] = told(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND % "{{ recall.agnet }}")
    assert "variables.V: recall has no field agnet; did you mean agent?" in said
    [said] = told(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND % "{{ recal.agent }}")
    assert "nothing is called recal here" in said
    [said] = told(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND.replace("{{ task.phone }}", "{{ recall.x }}") % "1")
    assert "nothing is called recall here" in said
    faults = told(tmp_path, LINES + CRM % SEARCH + SOURCE % FOUND.replace("{recall: {in", "{task: {in") % "1")
    assert any("{{ task }} is always there" in said for said in faults)


def test_other_tasks_are_in_a_crm_already(tmp_path: Path) -> None:
    text = LINES + CRM % UPDATE + 'callbacks: [{name: web, line: "912345678", rule_group: g' + SAVED + "}]"
    [said] = told(tmp_path, text)
    assert "save: is of missed_calls alone" in said


THEIRS = """
connectors:
  missed_calls: {type: csv, tasks: {file: theirs.csv}%s}
"""


def test_a_connector_that_somebody_called_so_stays_theirs(tmp_path: Path) -> None:
    (tmp_path / "theirs.csv").write_text("id,phone\n1,600111222\n")
    text = LINES + THEIRS % "" + SOURCE % ", every: 5m"
    [source] = loaded(tmp_path, text).configuration.callbacks
    assert (source.built_in, source.connector, source.origin) == (False, "missed_calls", "from:missed_calls")
    assert any("missed_calls means this connector, not" in said for said in warned(tmp_path, text))


def test_it_stays_theirs_while_it_is_out_of_order(tmp_path: Path) -> None:
    path = write(tmp_path, LINES + THEIRS % ", wrong: key" + SOURCE % "")
    served = load_to_serve(path, ENVIRONMENT)
    assert [source.built_in for source in served.configuration.callbacks] == [False]


def test_it_takes_no_campaign(tmp_path: Path) -> None:
    configuration = load(write(tmp_path, LINES + SOURCE % ""), ENVIRONMENT).configuration
    assert [source.title for source in configuration.callbacks if source.from_ is None] == []
