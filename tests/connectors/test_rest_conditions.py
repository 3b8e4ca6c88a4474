"""Requests that are made only if something is true, requests before a create, and what `check --connect` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from connectors.base import Deadline, Misconfigured, ProbeResult, Rejected, Unavailable
from connectors.rest import RestOptions
from tests.connectors.rest_case import GENEROUS, Opened, filled, opened, section
from tests.connectors.test_rest_writing import log, outcome
from tests.fakes.rest_crm import RestCrm, order, task
from tests.fakes.rest_crm.api import Api, Asked, Reply
from tests.fakes.rest_crm.signin import TOKEN


def activity(**create: Any) -> dict[str, Any]:
    made = section("http://x")["activity"]
    return {**made, "create": {**made["create"], **create}}


def tasks(**changed: Any) -> dict[str, Any]:
    return {**section("http://x")["tasks"], **changed}


def probed(one: Opened) -> Mapping[str, ProbeResult]:
    return {finding.what: finding for finding in one.connector.probe(Deadline.after(GENEROUS))}


class Saying(Api):
    """Says the same to whatever is asked."""

    reply = Reply(200)

    def answer(self, _asked: Asked) -> Reply:
        return self.reply


def saying(crm: RestCrm, status: int, text: str, kind: str = "text/html; charset=UTF-8") -> None:
    api = Saying(crm.store, crm.signins)
    api.reply = Reply(status, text.encode(), {"Content-Type": kind})
    crm.api = api


def test_what_follows_a_create_is_done_only_when_it_is_true(crm: RestCrm) -> None:
    then = {"method": "PATCH", "path": "/calls/{{ found.id }}", "json": {"subject": "closed"},
            "when": "{{ activity.answered }}"}  # fmt: skip
    with opened(crm, activity=activity(then=then)) as one:
        log(one, key="missed", answered=False)
        assert [row["subject"] for row in crm.store.calls] != ["closed"]
        assert [text for text in one.seen if "PATCH /calls/{{ found.id }}: skipped" in text]
        log(one, key="spoken", answered=True)
        assert crm.store.calls[1]["subject"] == "closed"


def test_a_when_that_fails_is_told_and_not_taken_for_false(crm: RestCrm) -> None:
    then = {"path": "/calls", "when": "{{ activity.subject + 1 }}", "json": {}}
    with opened(crm, activity=activity(then=then)) as one, pytest.raises(Rejected, match="when:"):
        log(one)


def test_a_create_sees_what_was_asked_before_it(crm: RestCrm) -> None:
    crm.store.orders = [order(7, "00077", "Enviado")]
    before = [
        {"name": "ordered", "path": "/order/{{ call.vars.order }}", "not_found": 404},
        {"name": "none_", "path": "/order/00077", "when": "{{ false }}"},
    ]
    made = activity(before=before, json={"key": "{{ activity.key }}", "subject": "{{ ordered.id }}/{{ none_.id }}"})
    with opened(crm, activity=made) as one:
        log(one, key="one", call={"vars": {"order": "00077"}})
        log(one, key="two", call={"vars": {}})
        log(one, key="three", call={"vars": {"order": "gone"}})
    assert [row["subject"] for row in crm.store.calls] == ["7/", "/", "/"]
    names = {use.template.source: use.names for use in options(activity=made).templates()}
    assert "ordered" in names["{{ ordered.id }}/{{ none_.id }}"]
    assert "none_" not in names["/order/{{ call.vars.order }}"]


def options(**more: Any) -> RestOptions:
    return RestOptions.model_validate(section("http://127.0.0.1:1", **more))


def test_details_and_changes_are_skipped_too(crm: RestCrm) -> None:
    crm.store.orders = [{**order(7, "00077", "Enviado"), "phone": "600 11 22 33"}]
    crm.store.tasks = [{**task(1, "600999999"), "order": "00077"}, {**task(2, ""), "order": "00077"}]
    details = [{"name": "ordered", "path": "/order/{{ task.order }}", "when": "{{ not task.own }}"}]
    fields = {"id": "id", "order": "order", "own": "phone", "phone": "phone || ordered.phone"}
    update = [
        {"name": "now", "path": "/tasks/{{ task.id }}", "when": "{{ outcome.status == 'done' }}"},
        {"method": "PATCH", "path": "/tasks/{{ task.id }}",
         "json": {"status": "{{ outcome.status }}", "note": "{{ now.etag }}"}},
    ]  # fmt: skip
    with opened(crm, tasks=tasks(details=details, fields=fields, update=update)) as one:
        first, second = one.connector.tasks(Deadline.after(GENEROUS))
        assert [first.fields["phone"], second.fields["phone"]] == ["600999999", "600 11 22 33"]
        assert crm.paths().count("GET /order/00077") == 1
        for status, note in (("claimed", "None"), ("answered", "2")):
            one.connector.update_task(first, outcome(status), Deadline.after(GENEROUS))
            assert str(crm.store.tasks[0]["note"]) == note


def test_a_skipped_search_finds_nothing_and_the_next_is_tried(crm: RestCrm) -> None:
    filled(crm)
    contact = section("http://x")["records"]["contact"]
    search = [{**contact["search"], "when": "{{ phone.national == '677888999' }}"}]
    with opened(crm, records={"contact": {**contact, "search": search}}) as one:
        assert (one.names(), one.names("677888999")) == ([], ["Luis"])
        assert len(crm.requests) == 1
    search.append(contact["search"])
    with opened(crm, records={"contact": {**contact, "search": search}}) as one:
        assert one.names() == ["Ana"]


def test_phones_default_to_what_the_field_phone_reads(crm: RestCrm) -> None:
    filled(crm)
    contact = {name: value for name, value in section("http://x")["records"]["contact"].items() if name != "phones"}
    fields = {**contact["fields"], "phone": "mobile"}
    with opened(crm, records={"contact": {**contact, "fields": fields}}) as one:
        assert (one.names("677888999"), one.names()) == (["Luis"], [])
    fields = {"id": "id", "name": "full_name"}
    with opened(crm, records={"contact": {**contact, "fields": fields}}) as one:
        assert (one.names("677888999"), one.names()) == ([], ["Ana"])


def test_html_in_answers_is_decoded_where_the_connector_says_so(crm: RestCrm) -> None:
    filled(crm).store.customers[1]["full_name"] = "O&#039;Brien &amp; Sons &lt;UK&gt;"
    with opened(crm) as one:
        assert one.names() == ["O&#039;Brien &amp; Sons &lt;UK&gt;"]
    with opened(crm, decode="html") as one:
        assert one.names() == ["O'Brien & Sons <UK>"]


@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "text/plain"])
def test_a_sentence_instead_of_json_is_shown_masked(crm: RestCrm, kind: str) -> None:
    saying(crm, 200, "<b>Module&nbsp;Api</b> must\n be enabled.<br>Call 600112233", kind)
    with opened(crm) as one, pytest.raises(Unavailable, match=r"Module Api must be enabled\. Call ••••••233"):
        one.names()
    saying(crm, 403, "Not for 600112233", kind)
    with opened(crm) as one, pytest.raises(Misconfigured, match=r"answered 403 Forbidden: Not for ••••••233"):
        one.names()


@pytest.mark.parametrize("text", ["<html>" + "<p>a long page</p>" * 40, "x" * 301, "<" * 3000, "<i>" * 90_000])
def test_a_page_instead_of_json_is_not_shown(crm: RestCrm, text: str) -> None:
    saying(crm, 200, text)
    with opened(crm) as one, pytest.raises(Unavailable, match=r"no JSON: .*bytes\)$"):
        one.names()


def test_an_error_rule_sees_a_sentence_and_says_what_has_to_be_mended(crm: RestCrm) -> None:
    saying(crm, 200, "Module Api must be enabled")
    rule = {"when": "length(keys(@)) == `0` || type(@) == 'string'"}
    with opened(crm, error=rule) as one, pytest.raises(Unavailable):
        one.names()  # a rule that is not made for a text says nothing
    rule = {"when": "type(@) == 'string' && contains(@, 'must be enabled')", "mend": "`true`"}
    with opened(crm, error=rule) as one:
        for attempt in (one.names, lambda: log(one)):
            with pytest.raises(Misconfigured, match="Module Api must be enabled"):
                attempt()


def test_a_wrong_key_is_told_once_and_first(crm: RestCrm) -> None:
    crm.auth = "bearer"
    with opened(crm, auth={"type": "bearer", "token": "wrong-0123456789"}) as one:
        [(what, finding)] = probed(one).items()
        assert (what, finding.ok) == ("sign in", False)
        assert "the sign-in was refused: mend auth" in finding.text


def test_a_right_key_is_told_once_something_was_answered(crm: RestCrm) -> None:
    crm.auth = "bearer"
    with opened(crm, auth={"type": "bearer", "token": TOKEN}) as one:
        findings = list(one.connector.probe(Deadline.after(GENEROUS)))
        assert findings[0].what == "sign in"
        assert all(finding.ok for finding in findings)
    crm.auth = ""
    crm.faults.add("down")
    with opened(crm) as one:
        assert not [finding for finding in one.connector.probe(Deadline.after(5)) if finding.ok]


def test_what_is_listed_is_counted(crm: RestCrm) -> None:
    what = "an open task with the word {{ settings.word }}"
    more = {"settings": {"word": "llamar"}, "tasks": tasks(what=what, when="status == 'open'")}
    with opened(crm, **more) as one:
        said = "an open task with the word llamar"
        assert probed(one)["tasks"].text.startswith(f"answered, there are none: a callback is {said}")
        crm.store.tasks = [task(1, "600112233", status="open")]
        assert "answered, 1 listed (" in probed(one)["tasks"].text
        crm.store.tasks += [task(n, "", status="open") for n in range(2, 9)]
        assert "answered, 8 listed, 5 looked at, 4 without a number in the field phone" in probed(one)["tasks"].text
    more["tasks"]["when"] = "status == 'never'"
    with opened(crm, **more) as one:
        assert f"8 listed, none of them asks for a call: a callback is {said}" in probed(one)["tasks"].text


def test_a_time_that_cant_be_read_fails_the_check(crm: RestCrm, caplog: pytest.LogCaptureFixture) -> None:
    crm.store.tasks = [task(7, "600112233", "28/11/2026 10:00")]
    with opened(crm) as one:
        finding = probed(one)["tasks"]
        assert not finding.ok
        assert (
            "task 7: due is written like '99/99/9999 99:99', which is no time as tasks.dates says it is written"
            in finding.text
        )
        assert caplog.messages == []
    with opened(crm, tasks=tasks(dates={"format": "%d/%m/%Y %H:%M"})) as one:
        assert probed(one)["tasks"].ok
