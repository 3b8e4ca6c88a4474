"""How a connector saves records and logs calls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from connectors.base import Connector, Deadline, NewRecord, TimedOut, Unavailable
from connectors.phone import parse
from connectors.testing.fixtures import ContractFixtures, Seen, activity
from connectors.testing.harness import GENEROUS, Contact, Harness


class WritingContract(ContractFixtures):
    """Each record and each call is written once, however often it is tried."""

    def test_a_record_is_saved_once_however_often_it_is_tried(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        connector = opened()
        fields = harness.survey_fields("+34600112233", "9")
        first = connector.save(NewRecord(harness.survey, "call-1", fields), Deadline.after(GENEROUS))
        assert first.created
        again = connector.save(NewRecord(harness.survey, "call-1", fields, attempt=2), Deadline.after(GENEROUS))
        assert not again.created
        assert again.id == first.id
        connector.save(NewRecord(harness.survey, "call-2", fields), Deadline.after(GENEROUS))
        assert [row["phone"] for row in harness.saved()] == ["+34600112233"] * 2
        assert [row["score"] for row in harness.saved()] == ["9"] * 2

    def test_a_record_that_was_saved_is_changed_where_the_connector_says_that_it_can(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        harness.load()
        connector = opened()
        if harness.survey not in harness.options().abilities().updates:
            pytest.skip("changes nothing that was saved")
        first = NewRecord(harness.survey, "call-1", harness.survey_fields("+34600112233", "9"))
        connector.save(NewRecord(harness.survey, "call-2", first.fields), Deadline.after(GENEROUS))
        written = connector.save(first, Deadline.after(GENEROUS)).id
        changed = replace(first, fields=harness.survey_fields("+34600112233", "3"), revision=2, written_id=written)
        for attempt in (1, 2):
            assert not opened().save(replace(changed, attempt=attempt), Deadline.after(GENEROUS)).created
        assert sorted(row["score"] for row in harness.saved()) == ["3", "9"]

    def test_a_record_is_saved_once_when_another_process_tries_again(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        fields = harness.survey_fields("+34600112233", "9")
        opened().save(NewRecord(harness.survey, "call-1", fields), Deadline.after(GENEROUS))
        opened().save(NewRecord(harness.survey, "call-1", fields, attempt=2), Deadline.after(GENEROUS))
        assert len(harness.saved()) == 1

    def test_simultaneous_tries_under_one_key_save_one_record(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not (harness.can_save and harness.once_at_once):
            pytest.skip("this CRM enforces no key")
        harness.load()
        connectors = [opened(), opened()]
        fields = harness.survey_fields("+34600112233", "9")

        def save(number: int) -> None:
            saved = NewRecord(harness.survey, f"call-{number % 5}", fields, attempt=1 + number // 5)
            connectors[number % 2].save(saved, Deadline.after(GENEROUS))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(save, range(40)))
        assert len(harness.saved()) == 5

    def test_what_was_saved_reads_as_it_was_given(self, harness: Harness, opened: Callable[[], Connector]) -> None:
        if not harness.can_save:
            pytest.skip("saves nothing")
        harness.load()
        score = 'Peña €“O\'Brien” & Sons <UK>; one\ttab\nline, "two"'
        opened().save(NewRecord(harness.survey, "call-1", harness.survey_fields("", score)), Deadline.after(GENEROUS))
        assert [row["score"] for row in harness.saved()] == [score]

    def test_a_save_whose_answer_was_lost_is_not_doubled(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load()
        connector = opened()
        if not (harness.can_save and harness.lose_answer()):
            pytest.skip("no answer to lose")
        saved = NewRecord(harness.survey, "call-1", harness.survey_fields("+34600112233", "9"))
        with pytest.raises((Unavailable, TimedOut)) as raised:
            connector.save(saved, Deadline.after(GENEROUS))
        seen.error(raised.value)
        assert not connector.save(replace(saved, attempt=2), Deadline.after(GENEROUS)).created
        assert len(harness.saved()) == 1

    def test_an_activity_is_kept_once_however_often_it_is_tried(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load()
        connector = opened()
        first = connector.log_activity(activity(), Deadline.after(GENEROUS))
        assert first.created
        assert not connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS)).created
        assert not opened().log_activity(activity(attempt=3), Deadline.after(GENEROUS)).created
        connector.log_activity(activity("912345678:78:log"), Deadline.after(GENEROUS))
        assert sorted(row["key"] for row in harness.activities()) == ["912345678:77:log", "912345678:78:log"]
        assert {row["subject"] for row in harness.activities()} == {"Llamada de Ana"}
        assert {row["note"] for row in harness.activities()} == {"Recibida\nContestada"}

    def test_an_activity_whose_answer_was_lost_is_not_doubled(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        harness.load()
        connector = opened()
        if not (harness.can_log and harness.lose_answer()):
            pytest.skip("no answer to lose")
        with pytest.raises((Unavailable, TimedOut)) as raised:
            connector.log_activity(activity(), Deadline.after(GENEROUS))
        seen.error(raised.value)
        connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_a_correction_takes_the_place_of_the_activity(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not (harness.can_log and harness.can_correct):
            pytest.skip("corrects nothing")
        harness.load()
        connector = opened()
        first = connector.log_activity(activity(), Deadline.after(GENEROUS))
        connector.log_activity(activity("912345678:78:log"), Deadline.after(GENEROUS))
        corrected = activity(subject="Corregida", seconds=40, revision=2, written_id=first.id)
        assert not connector.log_activity(corrected, Deadline.after(GENEROUS)).created
        connector.log_activity(replace(corrected, attempt=2), Deadline.after(GENEROUS))
        rows = {row["key"]: row["subject"] for row in harness.activities()}
        assert len(harness.activities()) == 2
        assert rows == {"912345678:77:log": "Corregida", "912345678:78:log": "Llamada de Ana"}

    def test_an_activity_of_a_hidden_caller_with_nothing_known_is_kept(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load()
        bare = activity(caller=None, start=None, end=None, seconds=None, cost=None, answered=None, answered_by="")
        opened().log_activity(bare, Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_an_activity_of_a_contact_that_was_found_is_kept(
        self, harness: Harness, opened: Callable[[], Connector]
    ) -> None:
        if not harness.can_log:
            pytest.skip("keeps no activities")
        harness.load([Contact("Ana", "600112233")])
        connector = opened()
        [ana] = self.by_phone(harness, connector, parse("600112233", "ES"))
        connector.log_activity(activity(contact=ana, found={"contact": ana}), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1

    def test_a_write_during_an_outage_says_to_come_again(
        self, harness: Harness, opened: Callable[[], Connector], seen: Seen
    ) -> None:
        if not (harness.can_log and harness.away_once_open):
            pytest.skip("no such outage here")
        harness.load()
        connector = opened()
        harness.go_away()
        with pytest.raises(Unavailable) as raised:
            connector.log_activity(activity(), Deadline.after(GENEROUS))
        seen.error(raised.value)
        harness.come_back()
        connector.log_activity(activity(attempt=2), Deadline.after(GENEROUS))
        assert len(harness.activities()) == 1
