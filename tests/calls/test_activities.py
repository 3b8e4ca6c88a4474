"""Calls become activities: one for each rule, linked, corrected where that is possible, and never lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bridge.store.deliveries import State
from connectors.base import Misconfigured, Rejected, TimedOut, Unavailable
from tests.calls.activity_case import ANA, FIN, INICIO, KEY, one, only
from tests.fakes.connector import Handheld
from tests.fakes.exchange import LINE, NOON, STARTED, Exchange, arrival, document, entry, final


def test_a_finished_call_is_one_activity_linked_to_its_contact(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(INICIO)
    assert exchange.work() == []
    exchange.tell(FIN)
    delivery = one(exchange.work())
    assert (delivery.state, delivery.written_id, delivery.e164) == (State.DONE, f"id of {KEY}", "+34600111222")
    activity = only(crm)
    assert activity.key == KEY
    assert activity.subject == "Llamada recibida de Ana"
    assert activity.note.startswith("Llamada recibida de Ana (+34 600 11 12 22), a 912345678\n02/03/2026 12:58:45")
    assert activity.contact is not None
    assert activity.contact.id == "1"
    assert activity.found == {"contact": activity.contact}
    assert str(activity.caller) == "+34600111222"
    assert (activity.direction, activity.called, activity.line) == ("received", LINE, LINE)
    assert activity.start == datetime(2026, 3, 2, 11, 58, 45, tzinfo=UTC)
    assert activity.end == NOON
    assert (activity.seconds, activity.cost) == (75, Decimal("0.0465"))
    assert (activity.attempt, activity.revision, activity.written_id) == (1, 2, None)


def test_as_whom_the_caller_was_found_is_kept_with_the_link_of_then(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm", "note": "{{ contact.link }}"}])
    crm.pages = "https://crm.example.com"
    exchange.tell(INICIO, FIN)
    delivery = one(exchange.work())
    assert delivery.about == {
        "connector": "crm", "kind": "contact", "id": "1", "name": "Ana", "link": "https://crm.example.com/1"
    }  # fmt: skip
    assert only(crm).note == "https://crm.example.com/1"


def test_of_a_caller_whom_nobody_knows_nothing_is_kept(exchange: Exchange, crm: Handheld) -> None:
    crm.records = {}
    exchange.tell(INICIO, FIN)
    delivery = one(exchange.work())
    assert (delivery.state, delivery.about) == (State.DONE, None)


def test_repeated_events_and_work_make_no_second_activity(exchange: Exchange, crm: Handheld) -> None:
    for _ in range(3):
        exchange.tell(FIN, INICIO)
        exchange.work()
        exchange.later(hours=1)
    assert [len(versions) for versions in crm.logged.values()] == [1]


def test_the_rule_says_subject_note_and_fields(exchange: Exchange, crm: Handheld) -> None:
    rule = {
        "in": "crm",
        "subject": "{{ contact.name }}: {{ call.seconds }} s",
        "note": "{{ vars.MENU }} {{ call.diversions }}",
        "fields": {
            "Seconds": "{{ call.seconds }}",
            "Cost": "{{ call.cost }}",
            "Phone": "{{ caller }}",
            "Who": "{{ contact }}",
            "Text": "no. {{ call.id }}",
            "Nothing": "{{ vars.NADA }}",
        },
    }
    exchange.configure(activities=[rule])
    exchange.tell(arrival("fin", final(variables={"MENU": "2"}, status=(entry(2, "101", "", "", "9"),))))
    exchange.work()
    activity = only(crm)
    assert (activity.subject, activity.note) == ("Ana: 75 s", "2 101")
    assert dict(activity.fields) == {
        "Seconds": 75,
        "Cost": Decimal("0.0465"),
        "Phone": "+34600111222",
        "Who": "1",
        "Text": "no. 7",
        "Nothing": None,
    }
    assert activity.answered_by == "101"
    assert activity.call["vars"] == {"MENU": "2"}


def test_language(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(language="en")
    exchange.tell(FIN)
    exchange.work()
    assert only(crm).subject == "Call received from Ana"


def test_single_events_are_activities_of_their_own(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(
        activities=[
            {"in": "crm", "name": "log", "on": ["inicio", "desvio_fallido", "fin"], "subject": "{{ call.event }}"}
        ]
    )
    to_101 = arrival("desvio_fallido", document(), diverted="101")
    to_102 = arrival("desvio_fallido", document(), diverted="102")
    again = arrival("desvio_fallido", document(variables={"MENU": "2"}), diverted="101")
    for event in (INICIO, to_101, to_102, again, arrival("desvio_correcto", document(), diverted="103"), FIN):
        exchange.tell(event)
        exchange.work()
    subjects = [versions[-1].subject for versions in crm.logged.values()]
    assert subjects == ["inicio", "desvio_fallido", "desvio_fallido", "desvio_fallido", "fin"]
    assert {f"{LINE}:7:log:inicio", f"{LINE}:7:log:fin"} < set(crm.logged)
    assert all(len(versions) == 1 for versions in crm.logged.values())


def test_several_rules_leave_an_activity_each(exchange: Exchange, crm: Handheld, agenda: Handheld) -> None:
    rules = [{"in": "crm"}, {"in": "crm", "name": "long", "when": "{{ call.seconds > 60 }}"}, {"in": "agenda"}]
    exchange.configure(activities=rules)
    exchange.tell(FIN)
    assert [delivery.state for delivery in exchange.work()] == [State.DONE] * 3
    assert set(crm.logged) == {KEY, f"{LINE}:7:long"}
    assert set(agenda.logged) == {f"{LINE}:7:agenda:call"}
    contact = only(agenda).contact
    assert contact is not None
    assert contact.id == "a1"  # each is linked in its own CRM


def test_ids_of_one_crm_are_never_written_to_another(exchange: Exchange, crm: Handheld) -> None:
    find = {
        "contact": {"in": "agenda", "phone": "{{ caller }}"},
        "own": {"in": "crm", "table": "contact", "phone": "{{ caller }}"},
    }
    exchange.configure(activities=[{"in": "crm", "find": find}])
    exchange.tell(FIN)
    exchange.work()
    activity = only(crm)
    assert activity.contact is None
    assert list(activity.found) == ["own"]
    assert activity.subject == "Llamada recibida de Anita"  # a name is no id


def test_events_that_are_taken_up_together_reach_the_crm_in_the_order_in_which_they_came(
    exchange: Exchange, crm: Handheld
) -> None:
    names = ["desvio_correcto", "fin", "desvio_fallido", "inicio"]
    exchange.configure(activities=[{"in": "crm", "on": names, "subject": "{{ call.event }}"}])
    came = [FIN if name == "fin" else arrival(name, document(), diverted="101") for name in names]
    moments = [NOON + timedelta(seconds=second) for second in range(4)]
    exchange.tell(*(replace(event, received_at=moment) for event, moment in zip(came, moments, strict=True)))
    exchange.work()
    assert [versions[-1].subject for versions in crm.logged.values()] == names


def test_the_first_of_several_crms_that_knows_the_caller_names_it(exchange: Exchange, crm: Handheld) -> None:
    find = {"contact": {"in": ["crm", "agenda"], "phone": "{{ caller }}"}}
    exchange.configure(activities=[{"in": "crm", "find": find}])
    exchange.tell(FIN)
    exchange.work()
    contact = only(crm).contact
    assert contact is not None
    assert contact.connector == "crm"


@pytest.mark.parametrize("trouble", [Unavailable("away"), TimedOut("slow"), Misconfigured("no such field")])
def test_a_caller_who_cant_be_looked_up_waits_and_is_never_logged_unlinked(
    exchange: Exchange, crm: Handheld, trouble: Exception
) -> None:
    crm.error = trouble
    exchange.tell(FIN)
    delivery = one(exchange.work())
    expected = "Misconfigured" if isinstance(trouble, Misconfigured) else "Unavailable"
    assert (delivery.state, delivery.error_class) == (State.PENDING, expected)
    assert str(trouble) in delivery.error
    assert crm.logged == {}
    crm.error = None
    exchange.later(hours=1)
    exchange.work()
    assert only(crm).contact is not None
    assert only(crm).attempt == 2


def test_an_optional_step_that_fails_keeps_nothing_waiting(exchange: Exchange, crm: Handheld, agenda: Handheld) -> None:
    find = {
        "contact": {"phone": "{{ caller }}"},
        "order": {"in": "agenda", "key": "{{ vars.PEDIDO }}", "optional": True},
    }
    exchange.configure(activities=[{"in": "crm", "find": find}])
    agenda.error = Unavailable("away")
    exchange.tell(arrival("fin", final(variables={"PEDIDO": "77"})))
    exchange.work()
    assert only(crm).found["order"] is None


@pytest.mark.parametrize("records", [[], [ANA, {**ANA, "id": "2"}]])
def test_unknown_and_ambiguous_callers_are_left_unlinked(
    exchange: Exchange, crm: Handheld, records: list[dict[str, object]]
) -> None:
    crm.records["contact"] = records
    exchange.tell(FIN)
    exchange.work()
    assert only(crm).contact is None
    assert only(crm).subject == "Llamada recibida de +34 600 11 12 22"


def test_a_hidden_caller_is_logged_unasked(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(arrival("fin", final(caller_number="X")))
    exchange.work()
    assert crm.asked == []
    assert only(crm).caller is None


# when


def test_what_when_refuses_is_done_and_says_why(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm", "when": "{{ call.seconds > 100 }}"}])
    crm.error = Unavailable("away")  # nobody has to be asked for that
    exchange.tell(FIN)
    delivery = one(exchange.work())
    assert delivery.state is State.DONE
    assert "call.seconds > 100" in delivery.exchange
    assert crm.logged == {}
    assert crm.asked == []


def test_when_may_be_about_what_was_found(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm", "when": "{{ contact.name == 'Eva' }}"}])
    exchange.tell(FIN)
    assert one(exchange.work()).state is State.DONE
    assert crm.logged == {}
    assert len(crm.asked) == 1


@pytest.mark.parametrize("updates", [True, False])
@pytest.mark.parametrize("ids", [True, False])
def test_what_when_refused_is_written_when_a_correction_is_accepted(
    exchange: Exchange, crm: Handheld, updates: bool, ids: bool
) -> None:
    crm.ids = ids
    exchange.configure(updates=updates, activities=[{"in": "crm", "when": "{{ call.seconds > 30 }}"}])
    exchange.tell(INICIO)
    exchange.later(hours=7)
    exchange.advance()  # closed as incomplete: it is not known how long it lasted
    assert one(exchange.work()).state is State.DONE
    assert crm.logged == {}
    exchange.tell(FIN)
    crm.refuse = Unavailable("away")
    exchange.work()
    crm.refuse = None
    exchange.later(hours=1)
    assert one(exchange.work()).state is State.DONE
    assert only(crm).written_id is None
    exchange.tell(arrival("fin", final(seconds=99), NOON + timedelta(minutes=1)))
    exchange.work()
    assert len(crm.logged[KEY]) == (2 if updates else 1)
    assert only(crm).written_id == (f"id of {KEY}" if updates and ids else None)


def test_a_condition_that_fails_is_for_the_admin(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm", "name": "log", "when": "{{ call.direction > 5 }}"}])
    exchange.tell(FIN)
    delivery = one(exchange.work())
    assert (delivery.state, delivery.error_class) == (State.PENDING, "Misconfigured")
    assert "activity log: when" in delivery.error
    assert crm.logged == {}


# corrections


def test_a_corrected_fin_reaches_a_crm_that_can_update(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(updates=True)
    exchange.tell(FIN)
    exchange.work()
    exchange.tell(arrival("fin", final(seconds=99), NOON + timedelta(minutes=1)))
    exchange.work()
    first, second = crm.logged[KEY]
    assert (first.seconds, second.seconds) == (75, 99)
    assert (first.revision, second.revision) == (1, 2)
    assert (first.written_id, second.written_id) == (None, f"id of {KEY}")
    assert second.attempt == 1


def test_a_late_event_that_changes_nothing_is_no_correction(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(updates=True)
    exchange.tell(FIN)
    exchange.work()
    exchange.tell(INICIO)
    exchange.work()
    assert len(crm.logged[KEY]) == 1


def test_a_crm_that_cant_update_keeps_the_first_version(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(FIN)
    exchange.work()
    exchange.tell(arrival("fin", final(seconds=99), NOON + timedelta(minutes=1)))
    exchange.work()
    assert [activity.seconds for activity in crm.logged[KEY]] == [75]
    assert one(exchange.deliveries()).state is State.DONE


def test_what_has_not_been_written_goes_out_in_its_newest_version(exchange: Exchange, crm: Handheld) -> None:
    crm.refuse = Unavailable("away")
    exchange.tell(FIN)
    exchange.work()
    exchange.tell(arrival("fin", final(seconds=99), NOON + timedelta(minutes=1)))
    crm.refuse = None
    exchange.later(hours=1)
    exchange.work()
    assert [activity.seconds for activity in crm.logged[KEY]] == [99]


def test_an_incomplete_call_is_logged_and_completed_later(exchange: Exchange, crm: Handheld) -> None:
    exchange.configure(updates=True)
    exchange.tell(INICIO)
    exchange.later(hours=7)
    exchange.advance()
    exchange.work()
    assert "el final no se recibió" in only(crm).note
    assert only(crm).seconds is None
    exchange.tell(FIN)
    exchange.work()
    assert "el final no se recibió" not in only(crm).note
    assert only(crm).seconds == 75


def test_a_fin_alone_of_an_emitted_call_is_an_activity(exchange: Exchange, crm: Handheld) -> None:
    said = final(call_type="E", caller_number=LINE, outbound_number="600111222", idcall="998")
    exchange.tell(arrival("fin", said))
    exchange.work()
    activity = only(crm)
    assert (activity.direction, activity.called, str(activity.caller)) == ("emitted", LINE, "+34600111222")
    assert activity.call["idcall"] == "998"
    assert activity.contact is not None


# unknown callers

# what the admin changed meanwhile


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"activities": []}, "no activity rule crm:call any more"),
        ({"activities": [{"in": "crm", "name": "renamed"}]}, "no activity rule crm:call any more"),
        ({"lines": [{"number": "933000000", "password": "1"}]}, f"line {LINE} is not in the configuration any more"),
    ],
)
def test_what_the_configuration_no_longer_knows_says_how_to_mend_it(
    exchange: Exchange, crm: Handheld, changed: dict[str, Any], named: str
) -> None:
    exchange.tell(FIN)
    exchange.configure(**changed)
    delivery = one(exchange.work())
    assert (delivery.state, delivery.error_class) == (State.PENDING, "Misconfigured")
    assert named in delivery.error
    assert f"jobs discard {delivery.id}" in delivery.error
    exchange.configure()
    exchange.later(hours=1)
    assert one(exchange.work()).state is State.DONE
    assert len(crm.logged) == 1


def test_a_step_that_cant_be_computed_names_itself(exchange: Exchange) -> None:
    find = {"contact": {"phone": "{{ caller }}"}, "order": {"key": "{{ call.direction + 1 }}"}}
    exchange.configure(activities=[{"in": "crm", "find": find}])
    exchange.tell(FIN)
    delivery = one(exchange.work())
    assert delivery.error_class == "Misconfigured"
    assert "find order" in delivery.error


def test_a_refusal_is_for_a_person_and_holds_up_nobody(exchange: Exchange, crm: Handheld, agenda: Handheld) -> None:
    exchange.configure(activities=[{"in": "crm"}, {"in": "agenda"}])
    crm.refuse = Rejected("Subject is too long")
    exchange.tell(FIN)
    states = {delivery.connector: delivery.state for delivery in exchange.work()}
    assert states == {"crm": State.DEAD, "agenda": State.DONE}
    assert agenda.logged


def test_times_are_aware(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(FIN)
    exchange.work()
    start = only(crm).start
    assert start is not None
    assert start.utcoffset() == timedelta(hours=1)
    assert start.replace(tzinfo=None) == STARTED
