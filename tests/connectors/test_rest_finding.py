"""How the REST connector finds records."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from connectors.base import Deadline, LookupQuery, Misconfigured, TimedOut, Unavailable
from connectors.phone import parse
from connectors.rest.finding import numbers
from connectors.rest.values import JmesPath
from connectors.testing import eventually
from tests.connectors.rest_case import opened, section
from tests.fakes.rest_crm import RestCrm, customer, order


def contact(**changed: Any) -> dict[str, Any]:
    """The section's records with a contact that is changed."""
    records = section("http://x")["records"]
    return {**records, "contact": {**records["contact"], **changed}}


def test_a_fuzzy_search_never_yields_somebody_else(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        assert crm_.names("600112233") == ["Ana"]
        assert crm_.names("699992233") == []
    assert len(crm.store.search("600112233")) == 3


def test_fields_are_read_along_their_paths_and_keep_their_type(crm: RestCrm) -> None:
    with opened(crm) as crm_:
        [ana] = crm_.contacts()
        assert (ana.id, ana.fields["id"], ana.fields["agent_phone"]) == ("2", 2, "911000001")
    fields = {"total": "total", "none": "a.b.c", "joined": "join('-', [number, state.label])", "nobody": "length(gone)"}
    records = {"order": {"search": {"path": "/order/{{ key }}"}, "fields": fields}}
    with opened(crm, records=records) as crm_:
        [found] = crm_.orders("77")
        assert found.fields == {"id": 8, "total": 12.5, "none": None, "joined": "77-Nuevo", "nobody": None}


def test_a_number_prints_as_the_crm_wrote_it(crm: RestCrm) -> None:
    crm.store.orders[0]["total"] = 1e3
    with opened(crm, records={"order": {"search": {"path": "/order/{{ key }}"}}}) as crm_:
        assert str(crm_.orders("00077")[0].fields["total"]) == "1000.0"


@pytest.mark.parametrize(
    "phones", ["numbers[].value", ["numbers[?kind=='work'].value", "mobile"], ["numbers[*].value"]]
)
def test_numbers_stand_wherever_the_crm_keeps_them(crm: RestCrm, phones: Any) -> None:
    with opened(crm, records=contact(phones=phones)) as crm_:
        assert crm_.names("600112233") == ["Ana"]
        assert crm_.names("677888999") == ["Luis"]


def test_phones_that_are_nowhere_are_told_of(crm: RestCrm, caplog: pytest.LogCaptureFixture) -> None:
    with opened(crm, records=contact(phones="telephone")) as crm_:
        with caplog.at_level(logging.WARNING):
            assert crm_.names() == []
            assert crm_.names() == []
        assert "none of 3 found has a number at phones: telephone" in caplog.text
        assert len(caplog.records) == 1


def test_of_several_tries_the_first_that_matches_wins(crm: RestCrm) -> None:
    search = [
        {"path": "/customers", "params": {"q": "1234567890"}},
        {"path": "/customers", "params": {"q": "{{ phone.national }}"}},
        {"path": "/customers", "params": {"q": ""}},
    ]
    crm.store.fuzzy = False
    with opened(crm, records=contact(search=search)) as crm_:
        assert crm_.names() == ["Ana"]
        assert [asked.query["q"] for asked in crm.requests] == ["1234567890", "600112233"]


def test_lookups_by_phone_and_by_key_take_the_tries_that_are_theirs(crm: RestCrm) -> None:
    search = [{"path": "/customers/{{ key }}", "items": "@"}, {"path": "/customers", "params": {"q": "{{ phone }}"}}]
    with opened(crm, records={"contact": {**contact()["contact"], "search": search}}) as crm_:
        assert crm_.names() == ["Ana"]
        assert crm.paths() == ["GET /customers"]


def test_a_chain_follows_each_match_of_a_step_that_was_checked(crm: RestCrm) -> None:
    crm.store.customers.append(customer(5, "Ana's twin", "+34600112233"))
    search = [
        {"name": "ref", "path": "/customers", "params": {"q": "{{ phone.national }}"}, "items": "data",
         "phones": ["phone", "mobile"]},
        {"path": "/customers/{{ ref.id }}", "items": "@"},
    ]  # fmt: skip
    with opened(crm, records=contact(search=search)) as crm_:
        assert crm_.names() == ["Ana", "Ana's twin"]


def test_without_a_check_a_chain_follows_the_first_item_and_checks_the_last(crm: RestCrm) -> None:
    search = [
        {"name": "ref", "path": "/customers", "params": {"q": "{{ phone.national }}"}, "items": "data"},
        {"path": "/customers/{{ ref.id }}", "items": "@"},
    ]
    with opened(crm, records=contact(search=search)) as crm_:
        assert crm_.names() == []  # the first is the near miss
        crm.store.customers.reverse()
        crm.store.customers.remove(crm.store.customers[1])
        assert crm_.names() == ["Ana"]


def test_a_record_that_comes_twice_is_one(crm: RestCrm) -> None:
    crm.store.customers.append(crm.store.customers[1])
    with opened(crm) as crm_:
        assert crm_.names() == ["Ana"]


def test_a_search_by_key_is_checked_where_the_mapping_says_how(crm: RestCrm) -> None:
    fuzzy = {"search": {"path": "/orders", "params": {"q": "{{ key }}"}}, "items": "data", "key": "number"}
    with opened(crm, records={"order": fuzzy}) as crm_:
        assert [record.fields["state"] for record in crm_.orders("77")] == [{"label": "Nuevo"}]
        assert crm_.orders("7") == []
    assert len(crm.requests) == 2


@pytest.mark.parametrize("key", ["", "  ", ".", "..", "9" * 5000])
def test_a_key_that_can_be_none_is_not_asked_for(crm: RestCrm, key: str) -> None:
    with opened(crm) as crm_:
        assert crm_.orders(key) == []
    assert crm.requests == []


@pytest.mark.parametrize("number", ["X", "", "abc"])
def test_a_hidden_number_is_not_asked_for(crm: RestCrm, number: str) -> None:
    with opened(crm) as crm_:
        assert crm_.names(number) == []
    assert crm.requests == []


def test_what_goes_into_a_path_or_a_parameter_is_encoded(crm: RestCrm) -> None:
    search = {"path": "/orders/by-number/{{ key }}?x={{ key }}", "params": {"filter[a b]": "{{ key }}"}}
    with opened(crm, records={"order": {"search": search, "items": "data"}}) as crm_:
        crm_.orders("a/../b?c&d=ñ+")
    [asked] = crm.requests
    assert asked.path == "/orders/by-number/a%2F..%2Fb%3Fc%26d%3D%C3%B1%2B"
    assert asked.query == {"x": "a/../b?c&d=ñ+", "filter[a b]": "a/../b?c&d=ñ+"}


def test_a_list_sends_the_parameter_once_for_each(crm: RestCrm) -> None:
    params = {"a": ["{{ key }}", "b"], "c": "{{ [1, true, none] }}", "d": None, "number": "{{ key }}"}
    records = {"order": {"search": {"path": "/orders", "params": params}, "items": "data"}}
    with opened(crm, records=records) as crm_:
        crm_.orders("77")
        assert "a=77&a=b&c=1&c=true&c=&number=77" in crm_.seen[0]


def test_a_search_may_be_a_post(crm: RestCrm) -> None:
    search = {
        "method": "POST",
        "path": "/orders/by-number/{{ key }}",
        "json": {"key": "{{ key }}", "n": 5, "a": [None]},
    }
    with opened(crm, records={"order": {"search": search, "items": "data", "key": "number"}}) as crm_:
        crm_.orders("00077")
    assert crm.requests[0].values == {"key": "00077", "n": 5, "a": [None]}


@pytest.mark.parametrize(
    ("search", "missing"),
    [
        ({"path": "/order/{{ key }}"}, True),
        ({"path": "/nowhere", "params": {"a": "{{ key }}"}}, False),
        ({"path": "/nowhere", "params": {"a": "{{ key }}"}, "not_found": [404]}, True),
        ({"path": "/nowhere", "params": {"a": "{{ key }}"}, "not_found": 404}, True),
        ({"path": "/order/{{ key }}", "not_found": []}, False),
        ({"path": "/order/{{ key }}", "not_found": [{"status": 404, "when": "message == 'no such thing'"}]}, True),
        ({"path": "/order/{{ key }}", "not_found": [{"status": 404, "when": "message == 'x'"}, 400]}, False),
    ],
)
def test_404_is_not_found_where_the_mapping_says_so(crm: RestCrm, search: dict[str, Any], missing: bool) -> None:
    with opened(crm, records={"order": {"search": search}}) as crm_:
        if missing:
            assert crm_.orders("nobody") == []
        else:
            with pytest.raises(Misconfigured, match="404"):
                crm_.orders("nobody")


def test_items_that_are_not_there_are_an_error(crm: RestCrm) -> None:
    crm.faults.add("null", "/customers")
    with opened(crm) as crm_, pytest.raises(Misconfigured, match=r"nothing at items: data .*status, data"):
        crm_.names()


def test_items_that_are_no_list_are_an_error(crm: RestCrm) -> None:
    crm.faults.add("null", "/customers")
    with opened(crm, records=contact(items="status")) as crm_, pytest.raises(Misconfigured, match="a text"):
        crm_.names()


def test_the_newest_comes_first_over_all_pages(crm: RestCrm) -> None:
    crm.store.customers = [customer(number, f"N{number}", "600112233", changed=f"20{number:02}") for number in range(9)]
    search = {"path": "/customers/number", "params": {"q": "{{ phone }}"},
              "pages": {"param": "page", "size_param": "limit", "size": 2}}  # fmt: skip
    with opened(crm, records=contact(search=search)) as crm_:
        assert [record.fields["name"] for record in crm_.contacts(newest=True, limit=2)] == ["N8", "N7"]
        assert len(crm.requests) == 5
        assert [record.fields["name"] for record in crm_.contacts(limit=2)] == ["N0", "N1"]
        assert len(crm.requests) == 6


PAGES: dict[str, dict[str, Any]] = {
    "number": {"param": "page", "first": 1, "size_param": "limit", "size": 3},
    "offset": {"param": "offset", "step": "size", "size_param": "limit", "size": 3},
    "next": {"next": "next"},
    "cursor": {"cursor": "paging.after", "param": "after", "size_param": "limit", "size": 3},
    "link": {"link": "next"},
}


@pytest.mark.parametrize("way", PAGES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_page_is_read_and_checked(crm: RestCrm, way: str, method: str) -> None:
    if method == "POST" and way in ("next", "link"):
        pytest.skip("a URL says all there is to say")
    crm.store.customers = [
        customer(number, f"N{number}", f"6001122{33 + number % 2}" if number < 8 else "611222333")
        for number in range(10)
    ]
    values = {"q": "", "limit": 3}
    asked: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
    search = {"path": f"/customers/{way}", **asked, "pages": PAGES[way]}
    with opened(crm, records={"contact": {**contact()["contact"], "search": search}}) as crm_:
        assert crm_.names("600112233") == ["N0", "N2", "N4", "N6"]
        assert len(crm.requests) == 4
        assert crm_.names("611222333") == ["N8", "N9"]


def test_pages_end_at_most_somewhere_with_a_warning(crm: RestCrm, caplog: pytest.LogCaptureFixture) -> None:
    crm.store.customers = [customer(number, f"N{number}", "611222333") for number in range(50)]
    search = {"path": "/customers/number", "params": {"q": "{{ phone }}"},
              "pages": {"param": "page", "size_param": "limit", "size": 5, "at_most": 3}}  # fmt: skip
    crm.store.customers[0]["phone"] = "600112233"
    with opened(crm, records=contact(search=search)) as crm_:
        assert crm_.names("611222333") == [f"N{number}" for number in range(1, 16)]
    assert "ended after 3 pages" in caplog.text


def test_a_next_page_on_another_host_is_an_error(crm: RestCrm) -> None:
    crm.store.customers[0]["next"] = "http://elsewhere.example/customers"
    search = {"path": "/customers", "params": {"q": "{{ phone }}"}, "pages": {"next": "data[0].next"}}
    with opened(crm, records=contact(search=search)) as crm_:
        with pytest.raises(Misconfigured, match=r"elsewhere\.example is another host"):
            crm_.names()
        crm.store.customers[0]["next"] = "/customers?q=again"
        assert crm_.names() == ["Ana"]  # a page that leads to itself ends


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("login_page", Unavailable, "a web page, such as a login page .text/html"),
        ("truncated", Unavailable, "broke off after"),
        ("invalid_json", Unavailable, "JSON that is broken"),
        ("wrong_type", Unavailable, "something else .application/pdf"),
        ("not_utf8", Unavailable, "JSON in another charset than it says"),
        ("deep", Unavailable, "no JSON"),
        ("empty", Unavailable, "an empty body"),
        ("redirect", Unavailable, "redirected to http://elsewhere.example/login, another host"),
        ("redirect_host_for_good", Misconfigured, "redirected to http://elsewhere.example/login, another host"),
        ("huge", Misconfigured, "larger than 5 MB"),
        ("huge_unsaid", Misconfigured, r"larger than 5 MB: [\d.]+ MB or more"),
        ("gzip_bomb", Misconfigured, "larger than 5 MB"),
        ("bad_gzip", Unavailable, "can't be unpacked"),
        ("error", Unavailable, "500 Internal Server Error: oops"),
        ("down", Unavailable, "503"),
        ("too_many", Unavailable, "429 Too Many Requests: slow down; it wants fewer requests: .* a lower rate:"),
        ("reset", Unavailable, "connection broke"),
    ],
)
def test_what_is_no_answer_is_an_error_that_says_what_came(
    crm: RestCrm, fault: str, error: type[Exception], said: str
) -> None:
    crm.faults.add(fault, "/customers")
    with opened(crm) as crm_, pytest.raises(error, match=said) as raised:
        crm_.contacts()
    assert "600112233" not in str(raised.value) + raised.value.exchange  # type: ignore[attr-defined]
    assert "GET http://127.0.0.1" in raised.value.exchange  # type: ignore[attr-defined]


def test_a_number_that_a_spreadsheet_made_a_float_is_one() -> None:
    assert list(numbers({"phone": [600112233.0, 3.46001122e10, 1.5, True]}, [JmesPath("phone")], "ES")) == [
        parse("600112233", "ES"), parse("34600112200", "ES"),
    ]  # fmt: skip


@pytest.mark.parametrize("fault", ["hang", "trickle", "trickle_header"])
def test_no_answer_holds_a_call_beyond_its_deadline(crm: RestCrm, fault: str) -> None:
    crm.faults.add(fault, "/customers")
    with opened(crm) as crm_, pytest.raises(TimedOut):
        crm_.contacts(seconds=0.5)


def test_a_request_ends_by_its_own_timeout(crm: RestCrm) -> None:
    crm.faults.add("hang", "/customers")
    with opened(crm, timeout="500ms") as crm_, pytest.raises(TimedOut):
        crm_.contacts()
    eventually(lambda: crm.requests, "the request at the server")
    assert len(crm.requests) == 1


@pytest.mark.parametrize("charset", ["latin1", "cp1252"])
def test_other_charsets_are_read_as_they_say(crm: RestCrm, charset: str) -> None:
    crm.store.customers[1]["full_name"] = "Peña"
    crm.faults.add(charset, "/customers")
    with opened(crm) as crm_:
        assert crm_.names() == ["Peña"]


def test_an_error_inside_an_answer_is_one(crm: RestCrm) -> None:
    crm.store.orders = [order(1, "1", "x")]
    crm.store.orders[0]["fault"] = {"code": 7, "text": "too busy", "busy": True}
    rule = {"when": "fault", "text": "fault.text", "passing": "fault.busy"}
    records = {"order": {"search": {"path": "/order/{{ key }}"}}}
    with opened(crm, records=records, error=rule) as crm_:
        with pytest.raises(Unavailable, match="too busy"):
            crm_.connector.find(LookupQuery("order", key="1"), Deadline.after(0.5))
        crm.store.orders[0]["fault"]["busy"] = False
        with pytest.raises(Misconfigured, match="too busy"):
            crm_.orders("1")


def test_what_may_pass_is_tried_again_while_there_is_time(crm: RestCrm) -> None:
    crm.faults.add("error", "/customers", times=2)
    with opened(crm) as crm_:
        assert crm_.names() == ["Ana"]
    assert len(crm.requests) == 3


def test_a_second_try_that_is_cut_short_leaves_what_the_first_was_told(crm: RestCrm) -> None:
    crm.faults.add("error", "/customers", times=1)
    crm.faults.add("hang", "/customers")
    with opened(crm) as crm_, pytest.raises(Unavailable, match="500") as raised:
        crm_.contacts(seconds=0.6)
    assert not isinstance(raised.value, TimedOut)
    assert len(crm.requests) == 2


@pytest.mark.parametrize("fault", ["too_many", "too_many_date"])
def test_retry_after_is_told_where_there_is_no_time_for_it(crm: RestCrm, fault: str) -> None:
    crm.faults.add(fault, "/customers", seconds=40)
    with opened(crm) as crm_, pytest.raises(Unavailable) as raised:
        crm_.contacts()
    assert raised.value.retry_after is not None
    assert 30 < raised.value.retry_after <= 40
    assert len(crm.requests) == 1


def test_a_connection_that_was_dropped_meanwhile_is_made_anew(crm: RestCrm) -> None:
    crm.faults.add("drop_idle", "/customers")
    with opened(crm) as crm_:
        for _ in range(5):
            assert crm_.names() == ["Ana"]
