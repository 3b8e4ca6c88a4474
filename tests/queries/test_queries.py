"""Queries: what the configuration promises about answers, each rule once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.model import Configuration
from bridge.errors import StoreUnavailable
from bridge.lookups.finding import Lookups
from bridge.lookups.gateway import ConnectorGateway
from bridge.queries.answering import Answered, Misses, Queries, Question, Saver, ToSave
from bridge.runtime.limits import SharedLimits
from bridge.store.oppositions import EXAMPLE, NewOpposition, read_reference
from connectors.base import Deadline, Misconfigured, TimedOut, Unavailable
from connectors.phone import HIDDEN, Phone, parse
from connectors.steps import Steps, Wait, here
from tests.fakes.connector import Handheld

ANA = {"id": "1", "name": "Ana Ñuño", "phone": "600 111 222", "agent_phone": "911 000 001", "key": "ana"}
EVA = {"id": "2", "name": "Eva", "phone": "+34 600222333", "key": "eva"}
ORDER = {"id": "o1", "key": "00077", "status": "Enviado", "contact_id": "1"}
CALLER = parse("600111222", "ES")
BY_CALLER = {"contact": {"in": "crm", "phone": "{{ caller }}"}}
BY_ORDER = {"order": {"in": "crm", "key": "{{ vars.PEDIDO }}"}}

Ask = Callable[..., Answered]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Kept:
    """Where `save:` steps go."""

    def __init__(self) -> None:
        self.saved: list[ToSave] = []
        self.opposed: list[NewOpposition] = []
        self.error: Exception | None = None

    def __call__(self, saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        if self.error is not None:
            raise self.error
        if isinstance(saved, NewOpposition):
            yield Wait(here(lambda: self.opposed.append(saved)), deadline)
            return "4829175036"
        yield Wait(here(lambda: self.saved.append(saved)), deadline)
        return ""


@pytest.fixture
def crm() -> Handheld:
    return Handheld("crm", {"contact": [ANA, EVA], "order": [ORDER]})


@pytest.fixture
def agenda() -> Handheld:
    return Handheld("agenda", {"contact": []})


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def ask(crm: Handheld, agenda: Handheld) -> Iterator[Ask]:
    """Asks a Query of the keys given; `caller`, `vars`, `call`, `name`, `save`, `misses`, `started`, `sensitive`,
    `line`, `clock` besides."""
    sources = {connector.name: ConnectorGateway(connector) for connector in (crm, agenda)}
    lookups = Lookups(sources, "ES")

    def answer(
        query: dict[str, Any],
        *,
        caller: Phone = CALLER,
        vars: dict[str, str] | None = None,  # noqa: A002 - as expressions call it
        call: dict[str, object] | None = None,
        called: str = "912345678",
        name: str = "Q",
        save: Saver | None = None,
        misses: Misses | None = None,
        started: float | None = None,
        sensitive: tuple[str, ...] = (),
        line: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Answered:
        configuration = Configuration.model_validate(
            {
                "lines": [{"number": "912345678", "password": "3956", "extensions": ["101"], **(line or {})}],
                "queries": {"Q": {"deadline": "30s", **query}},
                "sensitive": list(sensitive),
            }
        )
        queries = Queries(configuration, lookups, save=save, misses=misses, clock=clock)
        question = Question(name, configuration.lines[0], caller, called, call or {"id": "7"}, vars or {})
        return queries.answer(question, started)

    yield answer
    for source in sources.values():
        source.connector.gate.set()  # type: ignore[attr-defined]  # it is a Handheld
        source.close()


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


def broken(crm: Handheld, outcome: str) -> Phone:
    """Have the CRM bring about an outcome; the caller to ask for."""
    crm.error = {"on_error": Unavailable("away"), "on_timeout": TimedOut("slow")}.get(outcome)
    if outcome == "ambiguous":
        crm.records["contact"] = [ANA, {**ANA, "id": "3"}]
    return parse("699999999", "ES") if outcome == "not_found" else CALLER


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


# save:

SURVEY = {
    "in": "agenda",
    "table": "survey",
    "fields": {"phone": "{{ caller }}", "score": "{{ vars.NOTA }}", "name": "{{ contact.name }}"},
}


def saving(**keys: Any) -> dict[str, Any]:
    return {"find": BY_CALLER, "save": SURVEY, "answer": {"OK": "1"}, "on_error": {"OK": "0", "result": 3}, **keys}


def test_what_is_saved_is_kept_before_the_answer(ask: Ask, kept: Kept) -> None:
    answered = ask(saving(), save=kept, vars={"NOTA": "09"})
    assert answered.variables == {"OK": "1"}
    (saved,) = kept.saved
    assert (saved.connector, saved.table, saved.line, saved.call_sequence) == ("agenda", "survey", "912345678", "7")
    assert saved.fields == {"phone": "+34600111222", "score": "09", "name": "Ana Ñuño"}
    assert saved.caller == "+34600111222"
    assert [entry.outcome for entry in answered.trail] == ["found", "kept"]


def test_the_same_values_of_the_same_call_have_the_same_key(ask: Ask, kept: Kept) -> None:
    for score, call in (("9", "7"), ("9", "7"), ("8", "7"), ("9", "8")):
        ask(saving(), save=kept, vars={"NOTA": score}, call={"id": call})
    first, again, other, another = (saved.key for saved in kept.saved)
    assert first == again
    assert len({first, other, another}) == 3


def test_two_steps_with_the_same_values_are_two_records(ask: Ask, kept: Kept) -> None:
    ask(saving(save=[SURVEY, SURVEY]), save=kept)
    assert len({saved.key for saved in kept.saved}) == 2


def test_what_cant_be_kept_is_an_error(ask: Ask, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.error = StoreUnavailable("the disk is full")
    answered = ask(saving(), save=kept)
    assert (answered.result, answered.outcome, answered.variables) == (3, "on_error", {"OK": "0"})
    assert "the disk is full" in caplog.text


def test_without_a_saver_it_is_shown_and_not_done(ask: Ask) -> None:
    answered = ask(saving(), vars={"NOTA": "9"})
    assert answered.variables == {"OK": "1"}
    assert answered.trail[-1].outcome == "shown"
    assert '"score": "9"' in answered.trail[-1].note


@pytest.mark.parametrize("outcome", ["not_found", "ambiguous", "on_error", "on_timeout"])
def test_nothing_is_saved_when_what_must_be_found_was_not(ask: Ask, crm: Handheld, kept: Kept, outcome: str) -> None:
    ask(saving(), save=kept, caller=broken(crm, outcome))
    assert kept.saved == []


def test_a_save_may_have_a_condition(ask: Ask, kept: Kept) -> None:
    query = saving(save={**SURVEY, "when": "{{ vars.NOTA }}"})
    ask(query, save=kept)
    assert kept.saved == []
    ask(query, save=kept, vars={"NOTA": "9"})
    assert len(kept.saved) == 1


def test_sensitive_variables_are_answered_but_never_saved(ask: Ask, kept: Kept) -> None:
    query = saving(answer={"OK": "{{ vars.NOTA }}"})
    answered = ask(query, save=kept, vars={"NOTA": "4111"}, sensitive=("nota",))
    assert answered.variables == {"OK": "4111"}
    assert kept.saved[0].fields["score"] is None
    shown = ask(query, vars={"NOTA": "4111"}, sensitive=("nota",))
    assert "4111" not in shown.trail[-1].note


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


# save: {in: oppositions}


def opposing(**keys: Any) -> dict[str, Any]:
    save = {"in": "oppositions", **keys.pop("step", {})}
    return {"save": save, "answer": {"REF": "{{ opposition.reference }}"}, "on_error": {"result": 3}, **keys}


def test_a_caller_opposes_and_hears_the_reference(ask: Ask, kept: Kept) -> None:
    answered = ask(opposing(), save=kept)
    assert (answered.outcome, answered.variables) == ("found", {"REF": "4829175036"})
    [new] = kept.opposed
    assert (new.e164, new.source, new.announced) == ("+34600111222", "query Q", False)
    assert read_reference(new.reference)
    assert [(entry.connector, entry.outcome) for entry in answered.trail] == [("oppositions", "kept")]


@pytest.mark.parametrize("phone", ["{{ vars.TEL }}", "{{ caller }}", "600 11 12 22"])
def test_another_number_may_oppose(ask: Ask, kept: Kept, phone: str) -> None:
    ask(opposing(step={"fields": {"phone": phone}}), save=kept, vars={"TEL": "+34 600-111-222"})
    assert [new.e164 for new in kept.opposed] == ["+34600111222"]


@pytest.mark.parametrize(("caller", "phone"), [(HIDDEN, "{{ caller }}"), (CALLER, "{{ vars.TEL }}"), (CALLER, "12")])
def test_nobody_opposes_without_a_number(ask: Ask, kept: Kept, caller: Phone, phone: str) -> None:
    query = opposing(step={"fields": {"phone": phone}}, not_found={"REF": "none{{ opposition.reference }}"})
    answered = ask(query, save=kept, caller=caller)
    assert (answered.outcome, answered.variables, kept.opposed) == ("not_found", {"REF": "none"}, [])


def test_an_opposition_that_cant_be_kept_is_no_opposition(ask: Ask, kept: Kept) -> None:
    kept.error = StoreUnavailable("the disk is full")
    answered = ask(opposing(), save=kept)
    assert (answered.outcome, answered.result) == ("on_error", 3)


def test_without_a_saver_nobody_opposes_and_an_example_is_shown(ask: Ask) -> None:
    answered = ask(opposing())
    assert answered.variables == {"REF": EXAMPLE}
    assert [entry.outcome for entry in answered.trail] == ["shown"]


def test_an_opposition_may_have_a_condition(ask: Ask, kept: Kept) -> None:
    answered = ask(opposing(step={"when": "{{ vars.BAJA == '9' }}"}), save=kept, vars={"BAJA": "1"})
    assert (answered.variables, kept.opposed) == ({"REF": ""}, [])
