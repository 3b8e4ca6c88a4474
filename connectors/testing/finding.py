"""How a connector finds records."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from connectors.base import Connector, Deadline, LookupQuery
from connectors.phone import HIDDEN, Phone, parse
from connectors.testing.fixtures import ContractFixtures, Seen, open_connector
from connectors.testing.harness import GENEROUS, Contact, Harness, Order
from connectors.urltemplate import LinkTemplate


class FindingContract(ContractFixtures):
    """The right records are found, and no others."""

    def test_its_options_claim_what_the_suite_uses(self, harness: Harness) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        can = harness.options().abilities()
        assert harness.contact in can.by_phone
        assert (harness.order in can.by_key) == harness.can_find_by_key
        assert (harness.survey in can.saves) == harness.can_save
        assert can.activities == harness.can_log
        assert can.updates_activities == harness.can_correct
        assert can.tasks == harness.can_task

    def test_its_options_have_no_problems(self, harness: Harness) -> None:
        harness.load([Contact("Ana", "600112233")], [Order("1", "new")])
        assert list(harness.options().problems(harness.folder)) == []

    def test_a_contact_is_found_by_every_spelling_of_its_phone(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        people = [Contact(f"Person {number}", text) for number, text in enumerate(harness.spellings)]
        harness.load(people)
        connector = opened()
        for typed in ("600112233", "+34 600 112 233", "0034600112233"):
            records = self.by_phone(harness, connector, parse(typed, "ES"))
            assert {record.fields["name"] for record in records} == {person.name for person in people}

    def test_a_contact_is_found_by_its_second_phone(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "911222333", "600112233"), Contact("Luis", "911222333")])
        records = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert [record.fields["name"] for record in records] == ["Ana"]
        assert any(phone.e164 == "+34600112233" for phone in records[0].phones)
        assert (records[0].connector, records[0].kind) == ("crm", harness.contact)

    def test_who_is_not_there_is_not_found(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "600112233")])
        assert self.by_phone(harness, opened(), parse("600999888", "ES")) == []

    def test_nothing_is_found_in_an_empty_crm(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load()
        connector = opened()
        assert self.by_phone(harness, connector, parse("600112233", "ES")) == []
        if harness.can_find_by_key:
            assert self.by_key(harness, connector, "1") == []

    def test_only_records_that_have_the_number_are_found(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        harness.load(
            [
                Contact("Ana", "600112233"),
                Contact("French", "+33600112233"),
                Contact("Longer", "+346001122334"),
                Contact("600112233", "911222333"),
                Contact("Extension", "911000000 ext. 600112233"),
            ]
        )
        records = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert [record.fields["name"] for record in records] == ["Ana"]
        assert all(any(phone.e164 == "+34600112233" for phone in record.phones) for record in records)

    def test_everybody_who_shares_a_number_is_found(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        harness.load([Contact("Ana", "600112233"), Contact("Luis", mobile="+34600112233"), Contact("Eva", "911222333")])
        records = self.by_phone(harness, opened(), parse("600112233", "ES"))
        assert {record.fields["name"] for record in records} == {"Ana", "Luis"}

    def test_the_newest_comes_first_when_it_is_wanted(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        if not harness.orders_newest:
            pytest.skip("this set-up knows no newest")
        harness.load(
            [
                Contact("Old", "600112233", changed="2023-12-31"),
                Contact("New", "600112233", changed="2024-11-02"),
                Contact("Middle", "600112233", changed="2024-03-04"),
            ]
        )
        records = self.by_phone(harness, opened(), parse("600112233", "ES"), newest=True)
        assert records[0].fields["name"] == "New"

    def test_what_is_to_come_comes_soonest_first_with_its_date(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        """A connector whose kinds have dates says so (`Capabilities.dated`)."""
        harness.load(
            [
                Contact("Later", "600112233", changed="2026-11-02"),
                Contact("Today", "600112233", changed="2026-03-04"),
                Contact("Over", "600112233", changed="2025-12-31"),
                Contact("Tomorrow", "600112233", changed="2026-03-05"),
            ]
        )
        if harness.contact not in harness.options().abilities().dated:
            pytest.skip("contacts have no date")
        query = LookupQuery(
            harness.contact, phone=parse("600112233", "ES"), upcoming=True, since=datetime(2026, 3, 4, tzinfo=UTC)
        )
        records = list(opened().find(query, Deadline.after(GENEROUS)))
        days = [(record.fields["name"], record.dated and record.dated.isoformat()[:10]) for record in records]
        assert days == [("Today", "2026-03-04"), ("Tomorrow", "2026-03-05"), ("Later", "2026-11-02")]

    def test_names_come_back_as_they_are_kept(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        name = "Peña €“O'Brien” & Sons <UK>, \\ % _ {} ; #1"
        harness.load([Contact(name, "600112233")])
        assert [record.fields["name"] for record in self.by_phone(harness, opened(), parse("600112233", "ES"))] == [
            name
        ]

    def test_the_configured_link_opens_the_record_that_was_found(
        self, harness: Harness, seen: Seen, tmp_path: Path
    ) -> None:
        name = "Peña/.. & <b>#1?"
        harness.load([Contact(name, "600112233")])
        link = LinkTemplate("https://crm.example.com/{{ record.id }}/open?as={{ record.name }}")
        options = harness.options().model_copy(update={"link": link})
        with contextlib.closing(open_connector(harness, tmp_path, seen, options=options)) as connector:
            [record] = self.by_phone(harness, connector, parse("600112233", "ES"))
            id_ = quote(record.id or "", safe="")
            assert id_
            opened = connector.link(record)
            assert opened == f"https://crm.example.com/{id_}/open?as=Pe%C3%B1a%2F..%20%26%20%3Cb%3E%231%3F"

    @pytest.mark.parametrize("phone", [HIDDEN, parse("", "ES"), parse("abc", "ES"), parse("12", "ES")])
    def test_who_hides_the_number_is_nobody(
        self, harness: Harness, opened: Callable[[], Connector], phone: Phone
    ) -> None:
        harness.load([Contact("Empty"), Contact("Hidden", "X"), Contact("Odd", "abc", "12")])
        assert self.by_phone(harness, opened(), phone) == []

    def test_a_key_keeps_its_leading_zeros(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        if not harness.can_find_by_key:
            pytest.skip("finds nothing by key")
        harness.load(orders=[Order("00077", "sent"), Order("77", "paid"), Order("0", "new")])
        connector = opened()
        assert [record.fields["status"] for record in self.by_key(harness, connector, "00077")] == ["sent"]
        assert [record.fields["status"] for record in self.by_key(harness, connector, "77")] == ["paid"]
        assert self.by_key(harness, connector, "077") == []

    @pytest.mark.parametrize(
        "key", ["O'Brien", "a\\b", "100%", "{}", "?", "*", "a_b", '"', "ñ€", "a/b", "../orders", "a&b=c", "x y", "#"]
    )
    def test_odd_characters_in_a_key_find_that_key_alone(
        self, harness: Harness, opened: Callable[[], Connector], key: str
    ) -> None:
        if not harness.can_find_by_key:
            pytest.skip("finds nothing by key")
        harness.load(orders=[Order(key, "mine"), Order("axb", "other"), Order("1", "other")])
        connector = opened()
        assert [record.fields["status"] for record in self.by_key(harness, connector, key)] == ["mine"]

    @pytest.mark.parametrize("key", ["' OR '1'='1", "%", "*", "1' --", "_", "{{ 7*7 }}", "9" * 10_000, "", " ", "\0"])
    def test_a_hostile_key_finds_nothing(self, harness: Harness, opened: Callable[[], Connector], key: str) -> None:
        if not harness.can_find_by_key:
            pytest.skip("finds nothing by key")
        harness.load(orders=[Order("1", "new"), Order("2", "new")])
        assert self.by_key(harness, opened(), key) == []
