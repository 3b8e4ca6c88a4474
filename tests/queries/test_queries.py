"""Queries: what the configuration promises about answers, each rule once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.model import Configuration
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queries.answering import Queries, Question
from bridge.runtime.limits import SharedLimits
from connectors.base import Deadline, Misconfigured, TimedOut, Unavailable
from connectors.phone import HIDDEN, Phone, parse
from tests.fakes.connector import Handheld
from tests.queries.case import ANA, BY_CALLER, BY_ORDER, CALLER, ORDER, Ask, broken


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_found_is_answered_as_it_is_stored(ask: Ask) -> None:
    answered = ask({"find": BY_CALLER, "answer": {"NOMBRE": "{{ contact.name }}", "TEL": "{{ contact.phone }}"}})
    assert (answered.result, answered.outcome) == (0, "found")
    assert answered.variables == {"NOMBRE": "Ana Ñuño", "TEL": "600 111 222"}
    assert [(entry.step, entry.connector, entry.outcome) for entry in answered.trail] == [("contact", "crm", "found")]
    assert answered.ms >= 0


def test_e164_formats_a_number(ask: Ask) -> None:
    answered = ask({"find": BY_CALLER, "answer": {"TEL": "{{ contact.phone | e164 }}"}})
    assert answered.variables == {"TEL": "+34600111222"}


def test_a_later_step_uses_what_an_earlier_one_found(ask: Ask, crm: Handheld) -> None:
    find = {**BY_CALLER, "order": {"in": "crm", "key": "{{ contact.last_order }}"}}
    crm.records["contact"] = [{**ANA, "last_order": "00077"}]
    assert ask({"find": find, "answer": {"ESTADO": "{{ order.status }}"}}).variables == {"ESTADO": "Enviado"}
    assert crm.asked[-1].key == "00077"


def test_a_step_may_look_in_a_table_of_another_name(ask: Ask) -> None:
    find = {"who": {"in": "crm", "table": "contact", "phone": "{{ caller }}"}}
    assert ask({"find": find, "answer": {"N": "{{ who.name }}"}}).variables == {"N": "Ana Ñuño"}


def test_several_connectors_are_asked_in_order(ask: Ask, crm: Handheld, agenda: Handheld) -> None:
    query = {
        "find": {"contact": {"in": ["agenda", "crm"], "phone": "{{ caller }}"}},
        "answer": {"N": "{{ contact.id }}"},
    }
    assert ask(query).variables == {"N": "1"}
    agenda.records["contact"] = [{**ANA, "id": "first"}]
    assert ask({**query, "cache": "none"}).variables == {"N": "first"}
    assert len(crm.asked) == 1


def test_who_calls_is_what_a_phone_number_found_first(ask: Ask) -> None:
    by_order, answer = {"order": {"in": "crm", "key": "00077"}}, {"N": "{{ 1 }}"}
    known = ask({"find": {**by_order, **BY_CALLER}, "answer": answer}).matched
    assert known is not None
    assert (known.connector, known.kind, known.id) == ("crm", "contact", "1")
    order = ask({"find": by_order, "answer": answer}).matched
    assert order is not None
    assert order.id == "o1"
    assert ask({"answer": answer}).matched is None
    nobody = ask({"find": BY_CALLER, "answer": answer}, caller=parse("699999999", "ES"))
    assert nobody.matched is None


@pytest.mark.parametrize("trouble", ["unknown", "ambiguous", "down", "late", "wrong"])
def test_what_is_optional_goes_on_without_it(ask: Ask, crm: Handheld, trouble: str) -> None:
    caller = parse("699999999", "ES") if trouble == "unknown" else CALLER
    if trouble == "ambiguous":
        crm.records["contact"] = [ANA, {**ANA, "id": "3"}]
    crm.error = {
        "down": Unavailable("away"),
        "late": TimedOut("slow"),
        "wrong": Misconfigured("no such field"),
    }.get(trouble)
    find = {"contact": {**BY_CALLER["contact"], "optional": True}}
    answered = ask({"find": find, "answer": {"NOMBRE": "{{ contact.name or 'cliente' }}"}}, caller=caller)
    assert (answered.result, answered.variables, answered.outcome) == (0, {"NOMBRE": "cliente"}, "found")


def blocks(**keys: Any) -> dict[str, Any]:
    return {"find": BY_CALLER, "answer": {"N": "found"}, **keys}


@pytest.mark.parametrize("outcome", ["not_found", "ambiguous", "on_error", "on_timeout"])
def test_each_failure_has_its_own_block(ask: Ask, crm: Handheld, outcome: str) -> None:
    own = {name: {"N": name} for name in ("not_found", "ambiguous", "on_error", "on_timeout")}
    answered = ask(blocks(**own), caller=broken(crm, outcome))
    assert (answered.result, answered.variables, answered.outcome) == (0, {"N": outcome}, outcome)


@pytest.mark.parametrize(
    ("outcome", "configured", "expected"),
    [
        ("not_found", {}, (1, {})),
        ("not_found", {"not_found": {"N": "no"}}, (0, {"N": "no"})),
        ("not_found", {"not_found": {"text": "nobody"}}, (1, {})),
        ("not_found", {"not_found": {"N": "no", "result": 7}}, (7, {"N": "no"})),
        ("ambiguous", {"not_found": {"N": "no"}}, (0, {"N": "no"})),
        ("ambiguous", {"ambiguous": {"result": 4}}, (4, {})),
        ("on_timeout", {"not_found": {"N": "no"}}, (2, {"N": "no"})),
        ("on_timeout", {"not_found": {"N": "no", "result": 0}}, (2, {"N": "no"})),
        ("on_timeout", {"on_timeout": {"N": "late"}}, (0, {"N": "late"})),
        ("on_error", {"not_found": {"N": "no"}}, (2, {"N": "no"})),
        ("on_error", {"on_timeout": {"N": "late"}, "not_found": {"N": "no"}}, (0, {"N": "late"})),
        ("on_error", {"on_timeout": {"N": "late", "result": 3}}, (3, {"N": "late"})),
        ("on_error", {}, (2, {})),
    ],
)
def test_blocks_that_are_not_written_have_defaults(
    ask: Ask, crm: Handheld, outcome: str, configured: dict[str, Any], expected: tuple[int, dict[str, str]]
) -> None:
    answered = ask(blocks(**configured), caller=broken(crm, outcome))
    assert (answered.result, answered.variables) == expected
    assert answered.outcome == outcome


def test_nothing_found_while_a_crm_was_down_is_an_error_and_not_not_found(ask: Ask, crm: Handheld) -> None:
    crm.error = Unavailable("away")
    find = {"contact": {"in": ["agenda", "crm"], "phone": "{{ caller }}"}}
    query = {"find": find, "not_found": {"N": "stranger"}, "on_error": {"N": "unknown", "result": 2}}
    assert ask(query).variables == {"N": "unknown"}


ANSWERS = [
    {"when": "{{ order.contact_id and order.contact_id != contact.id }}", "ESTADO": "PRIVADO", "result": 5},
    {"when": "{{ order.status == 'Enviado' }}", "ESTADO": "EN CAMINO", "text": "order {{ order.id }}"},
    {"ESTADO": "{{ order.status }}"},
]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"contact_id": "2"}, (5, "", {"ESTADO": "PRIVADO"})),
        ({}, (0, "order o1", {"ESTADO": "EN CAMINO"})),
        ({"contact_id": None, "status": "Nuevo"}, (0, "", {"ESTADO": "Nuevo"})),
    ],
)
def test_of_several_blocks_the_first_that_holds_answers(
    ask: Ask, crm: Handheld, order: dict[str, Any], expected: tuple[int, str, dict[str, str]]
) -> None:
    crm.records["order"] = [{**ORDER, **order}]
    answered = ask({"find": {**BY_CALLER, **BY_ORDER}, "answer": ANSWERS}, vars={"PEDIDO": "00077"})
    assert (answered.result, answered.text, answered.variables) == expected


def test_where_no_block_holds_it_is_not_found(ask: Ask) -> None:
    query = {"find": BY_CALLER, "answer": [{"when": "{{ contact.vip }}", "N": "vip"}], "not_found": {"N": "no"}}
    answered = ask(query)
    assert (answered.outcome, answered.variables) == ("not_found", {"N": "no"})


def test_a_query_without_an_answer_says_that_it_went_well(ask: Ask) -> None:
    answered = ask({"find": BY_CALLER})
    assert (answered.result, answered.variables, answered.outcome) == (0, {}, "found")


def test_empty_goes_out_empty_and_none_is_left_out(ask: Ask) -> None:
    answer = {
        "EMPTY": "",
        "MISSING": "{{ contact.nothing }}",
        "NULL": "{{ none }}",
        "MAYBE": "{{ contact.nothing or none }}",
        "LEFT": None,
        "NAME": "{{ contact.name or none }}",
    }
    answered = ask({"find": BY_CALLER, "answer": answer})
    assert answered.variables == {"EMPTY": "", "MISSING": "", "NAME": "Ana Ñuño"}


def test_values_are_what_the_platform_can_take(ask: Ask, crm: Handheld) -> None:
    crm.records["contact"] = [{**ANA, "name": "“Łukasz”\n\u2013 5 €", "phone": "600111222"}]
    answered = ask({"find": BY_CALLER, "answer": {"N": "{{ contact.name }}", "text": "{{ contact.name }}"}})
    assert answered.variables == {"N": '"Lukasz" - 5 EUR'}
    assert answered.text == '"Lukasz" - 5 EUR'


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("911 000 001", "+34911000001"),
        ("101", "101"),
        ("102", "nobody"),
        ("+1 212 555 0100", "nobody"),
        ("806 123 456", "nobody"),
        ("112", "nobody"),
        ("", "nobody"),
    ],
)
def test_a_destination_that_may_not_be_dialled_falls_to_not_found(
    ask: Ask, crm: Handheld, caplog: pytest.LogCaptureFixture, agent: str, expected: str
) -> None:
    crm.records["contact"] = [{**ANA, "agent_phone": agent}]
    query = {
        "find": BY_CALLER,
        "answer": {"DESTINO": "{{ contact.agent_phone | dial }}"},
        "not_found": {"DESTINO": "nobody"},
    }
    answered = ask(query)
    assert answered.variables == {"DESTINO": expected}
    if expected == "nobody":
        assert answered.outcome == "not_found"
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "contact 1 of crm can't be dialled" in caplog.text
        assert not agent or agent not in caplog.text


def test_a_record_whose_id_is_its_number_is_not_named_by_it(
    ask: Ask, crm: Handheld, caplog: pytest.LogCaptureFixture
) -> None:
    crm.records["contact"] = [{**ANA, "id": "600111222", "agent_phone": "806123456"}]
    ask({"find": BY_CALLER, "answer": {"DESTINO": "{{ contact.agent_phone | dial }}"}})
    assert "600111222" not in caplog.text
    assert "•••222" in caplog.text


def test_without_dial_a_destination_goes_out_as_it_is(ask: Ask) -> None:
    answered = ask({"find": BY_CALLER, "answer": {"DESTINO": "{{ contact.agent_phone }}"}})
    assert answered.variables == {"DESTINO": "911 000 001"}


@pytest.mark.parametrize("caller", [HIDDEN, parse("", "ES"), parse("anonymous", "ES")])
def test_a_caller_without_a_number_is_not_found_unasked(ask: Ask, crm: Handheld, caller: Phone) -> None:
    answered = ask(blocks(not_found={"N": "no"}), caller=caller)
    assert (answered.outcome, answered.variables) == ("not_found", {"N": "no"})
    assert crm.asked == []
    assert answered.trail[0].note


def test_an_expression_that_fails_on_the_values_is_an_error(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    query = {
        "find": BY_CALLER,
        "answer": {"N": "{{ contact.name + 1 }}"},
        "on_error": {"N": "e"},
        "not_found": {"N": "n"},
    }
    answered = ask(query)
    assert (answered.outcome, answered.variables) == ("on_error", {"N": "e"})
    assert "contact.name + 1" in caplog.text


@pytest.mark.parametrize("where", ["key", "when"])
def test_a_step_or_a_condition_that_fails_is_an_error_too(ask: Ask, where: str) -> None:
    query: dict[str, Any] = {"find": dict(BY_CALLER), "answer": {"N": "found"}, "on_error": {"N": "e"}}
    if where == "key":
        query["find"]["order"] = {"in": "crm", "key": "{{ contact.name + 1 }}"}
    else:
        query["answer"] = [{"when": "{{ contact.name + 1 }}", "N": "found"}]
    assert ask(query).variables == {"N": "e"}


def test_a_failing_block_falls_on_until_a_bare_error(ask: Ask, crm: Handheld) -> None:
    wrong = {"N": "{{ 1 + 'a' }}"}
    caller = broken(crm, "not_found")
    assert ask(blocks(not_found=wrong, on_error={"N": "e"}), caller=caller).variables == {"N": "e"}
    answered = ask(blocks(not_found=wrong), caller=caller)
    assert (answered.result, answered.variables, bool(answered.text)) == (1, {}, True)


def test_a_fault_of_ours_is_an_answer_too(ask: Ask, crm: Handheld, caplog: pytest.LogCaptureFixture) -> None:
    crm.error = ZeroDivisionError("oops")
    assert ask(blocks(on_error={"N": "e"})).variables == {"N": "e"}
    assert "ZeroDivisionError" in caplog.text


def test_a_hanging_crm_gets_no_longer_than_the_deadline(ask: Ask, crm: Handheld) -> None:
    crm.gate.clear()
    answered = ask(blocks(deadline="50ms", on_timeout={"N": "late"}))
    assert (answered.outcome, answered.variables) == ("on_timeout", {"N": "late"})


def test_the_deadline_counts_from_when_the_request_came_in(ask: Ask, crm: Handheld) -> None:
    answered = ask(blocks(deadline="10s", on_timeout={"N": "late"}), started=time.monotonic() - 20)
    assert answered.variables == {"N": "late"}
    assert answered.ms >= 20_000
    assert crm.asked == []


def test_the_steps_share_one_deadline(ask: Ask, crm: Handheld, agenda: Handheld) -> None:
    clock = Clock()
    late = threading.Event()

    class Slow(Handheld):
        def find(self, wanted: Any, deadline: Deadline) -> Any:
            clock.now += 2
            late.set()
            return super().find(wanted, deadline)

    slow = Slow("slow", {"contact": [ANA], "order": [ORDER]})
    lookups = Lookups({"slow": ConnectorGateway(slow, clock=clock)}, "ES")
    find = {"contact": {"in": "slow", "phone": "{{ caller }}"}, "order": {"in": "slow", "key": "00077"}}
    configuration = Configuration.model_validate(
        {
            "lines": [{"number": "9", "password": "1"}],
            "queries": {"Q": {"find": find, "deadline": "1s", "on_timeout": {"N": "late"}}},
        }
    )
    queries = Queries(configuration, lookups, clock=clock)
    answered = queries.answer(Question("Q", configuration.lines[0], CALLER))
    assert late.is_set()
    assert answered.variables == {"N": "late"}
    assert len(slow.asked) == 1
    lookups.sources["slow"].close()


@pytest.mark.parametrize("name", ["Q", "q", " q "])
def test_names_match_in_any_case(ask: Ask, name: str) -> None:
    answered = ask({"answer": {"N": "{{ call.query }}"}}, name=name)
    assert (answered.query, answered.variables) == ("Q", {"N": "Q"})


def test_an_unknown_query_says_so_and_is_no_success(ask: Ask) -> None:
    answered = ask({"answer": {"N": "1"}}, name="PEDIDOS" * 20)
    assert (answered.result, answered.outcome, answered.variables) == (1, "unknown_query", {})
    assert "PEDIDOS" in answered.text
    assert len(answered.text) < 120


def test_two_names_that_differ_in_case_alone_are_told_apart() -> None:
    configuration = Configuration.model_validate(
        {
            "lines": [{"number": "9", "password": "1"}],
            "queries": {"Q": {"answer": {"N": "1"}}, "q": {"answer": {"N": "2"}}},
        }
    )
    queries = Queries(configuration, Lookups({}, "ES"))
    assert queries.named("q") == ("q", configuration.queries["q"])
    assert queries.named(" Q") is None


def test_expressions_see_the_call(ask: Ask) -> None:
    answer = {
        "A": "{{ caller.national }}",
        "B": "{{ called.e164 }}",
        "C": "{{ line.number }}{{ line.country }}",
        "D": "{{ call.direction }} {{ call.id }}",
        "E": "{{ vars.pedido }}{{ vars.OTHER }}",
        "F": "{{ vars['1A'] }}",
    }
    call = {"id": "7", "direction": "emitted"}
    answered = ask({"answer": answer}, call=call, vars={"PEDIDO": "00077", "1A": "x"})
    assert answered.variables == {
        "A": "600111222",
        "B": "+34912345678",
        "C": "912345678ES",
        "D": "emitted 7",
        "E": "00077",
        "F": "x",
    }


def test_a_number_keyed_in_is_read_by_the_country_of_the_calls_own_line(ask: Ask, crm: Handheld) -> None:
    crm.records["contact"] = [{**ANA, "phone": "+33 6 12 34 56 78"}]
    find = {"contact": {"in": "crm", "phone": "{{ vars.TEL }}"}}
    answered = ask(
        {"find": find, "answer": {"N": "{{ contact.id }}"}}, vars={"TEL": "0612345678"}, line={"country": "FR"}
    )
    assert answered.variables == {"N": "1"}


# misses_per_caller


@pytest.fixture
def misses(tmp_path: Path) -> Iterator[SharedLimits]:
    counter = SharedLimits(tmp_path / "misses.db")
    yield counter
    counter.close()


def guessing(**keys: Any) -> dict[str, Any]:
    return {
        "find": BY_ORDER,
        "answer": {"N": "{{ order.status }}"},
        "not_found": {"N": "no"},
        "cache": "none",
        "misses_per_caller": "3/h",
        **keys,
    }


def test_beyond_its_misses_a_caller_is_told_not_found_unasked(ask: Ask, crm: Handheld, misses: SharedLimits) -> None:
    for guess in range(3):
        assert ask(guessing(), misses=misses, vars={"PEDIDO": str(guess)}).variables == {"N": "no"}
    answered = ask(guessing(), misses=misses, vars={"PEDIDO": "00077"})
    assert answered.variables == {"N": "no"}
    assert len(crm.asked) == 3
    assert "misses" in answered.trail[0].note
    other = ask(guessing(), misses=misses, vars={"PEDIDO": "00077"}, caller=parse("600222333", "ES"))
    assert other.variables == {"N": "Enviado"}


def test_hits_empty_keys_and_outages_are_no_misses(ask: Ask, crm: Handheld, misses: SharedLimits) -> None:
    for _ in range(4):
        ask(guessing(), misses=misses, vars={"PEDIDO": "00077"})
        ask(guessing(), misses=misses)
    crm.error = Misconfigured("no such table")
    for guess in range(4):
        ask(guessing(), misses=misses, vars={"PEDIDO": str(guess)})
    crm.error = None
    assert ask(guessing(), misses=misses, vars={"PEDIDO": "00077"}).variables == {"N": "Enviado"}
