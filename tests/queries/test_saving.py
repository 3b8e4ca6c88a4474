"""What a Query saves before it is answered: records, and who opposes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import StoreUnavailable
from bridge.store.oppositions import EXAMPLE, read_reference
from connectors.phone import HIDDEN, Phone
from tests.fakes.connector import Handheld
from tests.queries.case import BY_CALLER, CALLER, Ask, Kept, broken

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
