"""What only one CRM has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Context, Deadline, LookupQuery, Misconfigured, Record, Rejected, Task, Unavailable
from connectors.phone import parse
from connectors.rest import RestConnector, RestOptions, presets
from tests.connectors.presets.test_presets import Opened
from tests.fakes.presets import SECRET, PresetApi, PresetCrm
from tests.fakes.presets.bitrix24 import Bitrix24
from tests.fakes.presets.dolibarr import Dolibarr
from tests.fakes.presets.dynamics import Dynamics
from tests.fakes.presets.espocrm import EspoCrm
from tests.fakes.presets.holded import Holded
from tests.fakes.presets.hubspot import HubSpot
from tests.fakes.presets.odoo import Odoo, OdooJson2
from tests.fakes.presets.suitecrm import SuiteCrm
from tests.fakes.presets.zendesk_support import ZendeskSupport
from tests.fakes.presets.zoho import Zoho
from tests.fakes.rest_crm.api import Asked, Reply


@contextlib.contextmanager
def opened(api: PresetApi) -> Iterator[Opened]:
    with PresetCrm(api) as server:
        one = Opened(server)
        with contextlib.closing(one.connector):
            yield one


def test_hubspot_says_which_property_is_missing() -> None:
    api = HubSpot()
    api.has_property = False
    with opened(api) as crm, pytest.raises(Rejected, match='Property "infocaller_id" does not exist'):
        crm.log()


def test_bitrix24_says_nothing_of_the_webhook_wherever_it_fails() -> None:
    with opened(Bitrix24()) as crm:
        crm.api.secret = "another-0123456789"
        with pytest.raises(Misconfigured) as error:
            crm.people()
        everything = "\n".join([*crm.seen, str(error.value), error.value.exchange])
        assert "NO_AUTH_FOUND" in everything
        assert SECRET not in everything


def test_bitrix24_errors_inside_a_200_are_errors() -> None:
    class Erring(Bitrix24):
        def route(self, _asked: Asked) -> Reply:
            return Reply(200, {"error": "insufficient_scope", "error_description": "higher privileges are required"})

    with opened(Erring()) as crm:
        with pytest.raises(Misconfigured, match="insufficient_scope: higher privileges"):
            crm.people()
        with pytest.raises(Rejected, match="insufficient_scope"):
            crm.save()


@pytest.mark.parametrize(("ref", "kind"), [("C_", "contact"), ("L_", "lead"), ("CO_", "company")])
def test_bitrix24_rings_whom_the_task_is_about(ref: str, kind: str) -> None:
    api = Bitrix24()
    with opened(api) as crm:
        task = api.task("+34699999999")
        id_ = api._who(kind, "600 11 22 33", TITLE="Acme", NAME="Acme")
        api._known("task", task)["UF_CRM_TASK"] = ["T88_3", f"{ref}{id_}"]
        [listed] = crm.tasks()
        assert (listed.fields["phone"], listed.fields["name"]) == ("600 11 22 33", "Acme")


def test_bitrix24_rings_the_contact_of_a_deal_and_nobody_for_one_that_is_gone() -> None:
    api = Bitrix24()
    with opened(api) as crm:
        task = api.task("+34600112233")
        api._known("deal", "410")["CONTACT_ID"] = api.rows["contact"][0]["ID"]
        api._known("task", task)["UF_CRM_TASK"] = ["D_410"]
        assert [listed.fields["phone"] for listed in crm.tasks()] == ["+34600112233"]
        api._known("task", task)["UF_CRM_TASK"] = ["D_999"]
        assert [listed.fields["phone"] for listed in crm.tasks()] == [None]


def test_zendesk_writes_each_outcome_into_the_ticket_once() -> None:
    api = ZendeskSupport()
    with opened(api) as crm:
        api.task("+34600112233")
        [task] = crm.tasks()
        for status, text in (("claimed", "Being called"), ("no_answer", "Nobody"), ("no_answer", "Nobody")):
            crm.tell(task, status, text)
        assert [note["body"] for note in api.rows["comments"]] == ["Being called", "Nobody"]
        assert crm.api.state(task.id).startswith("open ['callback', 'infocaller']")


def test_zendesk_keeps_a_call_as_a_solved_ticket_that_customers_do_not_see() -> None:
    api = ZendeskSupport()
    with opened(api) as crm:
        crm.log()
        [ticket] = [row for row in api.rows["tickets"] if "external_id" in row]
        assert (ticket["status"], ticket["tags"]) == ("solved", ["infocaller_call"])
        assert [note["public"] for note in api.rows["comments"]] == [False]


def test_holded_says_what_it_refuses_in_its_words_also_inside_a_200() -> None:
    class Refusing(Holded):
        def _event(self, _given: dict[str, Any]) -> Reply:
            return Reply(200, {"status": 0, "info": "contactId needed"})

    with opened(Refusing()) as crm, pytest.raises(Rejected, match="contactId needed"):
        crm.log()


def linked(preset: str, base_url: str, record: Record, **settings: str) -> str | None:
    """The link of a preset's record, for an account at `base_url`."""
    section = {"type": "rest", "preset": preset, "base_url": base_url, "settings": settings}
    given = presets.applied({**section, "auth": {"type": "none"}})
    with contextlib.closing(RestConnector("crm", RestOptions.model_validate(given), Context(folder=Path()))) as crm:
        return crm.link(record)


def test_links_lead_to_where_the_account_is() -> None:
    lead = Record("crm", "contact", "5", {"id": "5", "type": "Leads"})
    assert linked("zoho-crm", "https://www.zohoapis.eu/crm/v8", lead) == (
        "https://crm.zoho.eu/crm/EntityInfo.do?module=Leads&id=5"
    )
    assert linked("suitecrm", "https://suite.example.com/Api", lead) == (
        "https://suite.example.com/index.php?module=Leads&action=DetailView&record=5"
    )
    company = Record("crm", "contact", "5", {"id": "5", "type": "company"})
    assert linked("hubspot", "https://api.hubapi.com", company, portal="77") == (
        "https://app.hubspot.com/contacts/77/record/0-2/5"
    )
    assert linked("hubspot", "https://api.hubapi.com", company) is None, "whose account it is, is not known"


@pytest.mark.parametrize("direction", ["received", "emitted"])
def test_dynamics_calls_are_closed_even_when_the_answer_to_that_was_lost(direction: str) -> None:
    api = Dynamics()
    with opened(api) as crm:
        api.lose_closing = True
        with pytest.raises(Unavailable):
            crm.log(direction=direction)
        [call] = api.rows["phonecalls"]
        assert (call["statecode"], call["directioncode"]) == (0, direction == "emitted")
        api.lose_closing = False
        crm.log(direction=direction, attempt=2)
        [call] = api.rows["phonecalls"]
        assert (call["statecode"], call["statuscode"]) == (1, 4 if direction == "received" else 2)


def test_a_dynamics_call_that_nobody_looked_for_is_refused_and_counts_as_there() -> None:
    with opened(Dynamics()) as crm:
        crm.log()
        assert not crm.log().created
        assert len(crm.api.calls()) == 1


def test_espocrm_reads_each_candidate_since_lists_hide_numbers() -> None:
    with opened(EspoCrm()) as crm:
        crm.api.person("Near miss", "+33600112233")
        id_ = crm.api.person("Ana", "911000000", "600 11 22 33")
        assert [one.id for one in crm.people()] == [id_]
        assert [path for path in crm.server.paths() if path.startswith("GET /api/v1/Contact/")] != []


def test_dolibarrs_empty_list_is_no_wrong_address() -> None:
    with opened(Dolibarr()) as crm:
        assert crm.people() == []
    with opened(Elsewhere()) as crm, pytest.raises(Misconfigured, match="404"):
        crm.people()


class Elsewhere(Dolibarr):
    """Dolibarr with an address that leads nowhere."""

    def section(self, url: str) -> dict[str, Any]:
        return {**super().section(url), "base_url": f"{url}/wrong"}


def test_odoo_is_signed_in_to_once() -> None:
    with opened(Odoo()) as crm:
        crm.people()
        crm.people()
        asked = [request.values["params"]["method"] for request in crm.server.requests]
        assert asked.count("authenticate") == 1


def test_odoo_refuses_a_wrong_key_once_and_for_all() -> None:
    with opened(Odoo()) as crm:
        crm.api.secret = "another-0123456789"
        for _ in range(3):
            with pytest.raises(Misconfigured, match="the user or the key is wrong"):
                crm.people()
        assert len(crm.server.requests) == 1


def test_zohos_tokens_that_are_asked_for_too_often_pass() -> None:
    api = Zoho()
    api.too_many_tokens = True
    with opened(api) as crm:
        with pytest.raises(Unavailable, match="too many requests"):
            crm.connector.find(LookupQuery("contact", phone=parse("600112233", "ES")), Deadline.after(0.5))
        api.too_many_tokens = False
        assert crm.people() == []


def test_suitecrm_rings_who_is_invited_and_not_the_company() -> None:
    with opened(SuiteCrm()) as crm:
        crm.api.task("+34600112233")
        [task] = crm.tasks()
        assert (task.fields["phone"], task.fields["name"]) == ("+34600112233", "Ana")
        assert not [path for path in crm.server.paths() if "/module/Accounts/" in path]
        assert [text for text in crm.seen if "skipped" in text]


def test_suitecrm_rings_whom_the_call_is_about_where_nobody_is_invited() -> None:
    api = SuiteCrm()
    with opened(api) as crm:
        crm.api.task("+34600112233")
        api.invited.clear()
        [task] = crm.tasks()
        assert task.fields["phone"] == "911234567"


def test_suitecrm_calls_of_others_than_contacts_are_linked_by_their_parent_alone() -> None:
    api = SuiteCrm()
    with opened(api) as crm:
        crm.api.company("Acme", "+34600112233")
        crm.log(contact=crm.people()[0])
        crm.log(key="a stranger's")
        assert api.invited == []
        assert [call["person"] != "" for call in crm.api.calls()] == [True, False]


def test_suitecrm_names_are_text_and_go_back_as_text() -> None:
    with opened(SuiteCrm()) as crm:
        crm.api.person("O'Brien & Sons <UK>", "+34600112233")
        [one] = crm.people()
        assert one.fields["name"] == "O'Brien & Sons <UK>"
        id_ = crm.api.task("+34600112234")
        crm.api.one("Calls", id_)["attributes"]["description"] = 'Ask "O\'Brien" & co'
        [task] = crm.tasks()
        assert task.fields["note"] == 'Ask "O\'Brien" & co'
        crm.tell(task, "no_answer")
        assert 'Not Held Ask "O\'Brien" & co\nIt was so' in crm.api.state(id_)


@pytest.mark.parametrize(("seconds", "written"), [(0, (0, 0)), (75, (0, 2)), (3600, (1, 0)), (3541, (1, 0))])
def test_suitecrm_durations_are_whole_minutes_rounded_up(seconds: int, written: tuple[int, int]) -> None:
    with opened(SuiteCrm()) as crm:
        crm.log(seconds=seconds)
        [call] = crm.api.rows["Calls"]
        assert (call["attributes"]["duration_hours"], call["attributes"]["duration_minutes"]) == written


def test_a_wrong_client_of_suitecrm_is_to_be_mended_and_said_in_its_words() -> None:
    with opened(WrongClient()) as crm:
        with pytest.raises(Misconfigured, match="OAuth2Clients module with id another is not found"):
            crm.people()
        [finding] = crm.connector.probe(Deadline.after(30))
        assert (finding.what, finding.ok, "OAuth2Clients" in finding.text) == ("sign in", False, True)


class WrongClient(SuiteCrm):
    def section(self, url: str) -> dict[str, Any]:
        section = super().section(url)
        return {**section, "auth": {**section["auth"], "client_id": "another"}}


def test_a_wrong_database_of_odoo_is_to_be_mended_and_asked_for_again() -> None:
    with opened(WrongDatabase()) as crm:
        for _ in range(2):
            with pytest.raises(Misconfigured, match=r"FATAL: database .* does not exist$"):
                crm.people()
        assert len(crm.server.requests) == 2, "it may be there again after a restore"
        with pytest.raises(Misconfigured):
            crm.log()


class WrongDatabase(Odoo):
    def section(self, url: str) -> dict[str, Any]:
        section = super().section(url)
        return {**section, "settings": {**section["settings"], "database": "another"}}


@pytest.mark.parametrize("api", [Odoo, OdooJson2])
def test_odoo_finds_callbacks_by_one_setting(api: type[PresetApi]) -> None:
    with opened(api()) as crm:
        crm.api.task("+34600112233")
        assert len(crm.tasks()) == 1
        [text] = [one.text for one in crm.connector.probe(Deadline.after(30)) if one.what == "tasks"]
        assert text.startswith("answered, 1 listed")
    with opened(_with(api, callback_word="llamar")) as crm:
        id_ = crm.api.task("+34600112233")
        [text] = [one.text for one in crm.connector.probe(Deadline.after(30)) if one.what == "tasks"]
        assert "there are none: a callback is" in text
        assert 'with the icon fa-phone, with "llamar"' in text
        crm.api.one("mail.activity", id_)["summary"] = "Llamar a Ana"
        assert [task.id for task in crm.tasks()] == [id_]
        assert not [text for text in crm.seen if "•••a" in text]


def _with(api: type[PresetApi], **settings: str) -> PresetApi:
    class Set(api):  # type: ignore[valid-type, misc]
        def section(self, url: str) -> dict[str, Any]:
            section = super().section(url)
            return {**section, "settings": {**section.get("settings", {}), **settings}}

    return Set()


@pytest.mark.parametrize("api", [Odoo, OdooJson2])
def test_odoos_calls_are_notes(api: type[Odoo | OdooJson2]) -> None:
    made = api()
    with opened(made) as crm:
        crm.log()
        assert made.notes() == [True]


def test_dolibarr_shows_calls_at_the_contact() -> None:
    with opened(Dolibarr()) as crm:
        id_ = crm.api.person("Ana", "+34600112233")
        crm.log(contact=crm.people()[0])
        [event] = crm.api.rows["agendaevents"]
        assert list(event["socpeopleassigned"]) == [id_]


def test_dolibarr_leaves_an_event_to_its_owner() -> None:
    with opened(Dolibarr()) as crm:
        id_ = crm.api.task("+34600112233")
        [task] = crm.tasks()
        crm.tell(task, "claimed")
        crm.tell(task, "answered")
        assert crm.api.one("agendaevents", id_)["userownerid"] == "1"
        crm.log()
        crm.api.rows["agendaevents"][-1]["userownerid"] = "1"
        crm.log(revision=2)
        assert crm.api.rows["agendaevents"][-1]["userownerid"] == "1"


def test_dolibarr_does_not_ring_the_company_for_a_contact_that_it_does_not_tell() -> None:
    api = Dolibarr()
    with opened(api) as crm:
        api.task("+34600112233", old=True)
        [task] = crm.tasks()
        assert not task.fields["phone"]


def test_dolibarr_without_its_api_is_to_be_mended_and_said_in_its_words() -> None:
    api = Dolibarr()
    with opened(api) as crm:
        task = Task(crm.api.task("+34600112233"), {"id": "1"})
        api.api_off = True
        for attempt in (crm.people, crm.log, crm.tasks, lambda: crm.tell(task, "answered")):
            with pytest.raises(Misconfigured, match=r"Module Api must be enabled\. To activate modules"):
                attempt()


@pytest.mark.parametrize("status", ["claimed", "busy", "may_have_rung", "answered"])
def test_hubspots_tasks_are_started_or_not(status: str) -> None:
    with opened(HubSpot()) as crm:
        id_ = crm.api.task("+34600112233")
        [task] = crm.tasks()
        crm.tell(task, status)
        assert crm.api.state(id_).startswith("COMPLETED" if status == "answered" else "NOT_STARTED")
