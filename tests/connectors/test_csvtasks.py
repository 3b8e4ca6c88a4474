"""A list of people to call, and what became of them."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import ClaimedElsewhere, Deadline, Task, TaskOutcome, Unavailable
from connectors.csv.connector import CsvConnector
from connectors.testing import eventually
from tests.connectors.csvcase import SOON, connector, options, table

SAID = {"file": "campaign.csv"}
AT = datetime(2024, 5, 2, 10, tzinfo=UTC)


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.csv"
    path.write_text("id,phone,due,name\n1,600112233,2024-05-02,Ana\n2,911222333,,Eva\n")
    return path


def listed(opened: CsvConnector) -> list[str]:
    return [task.id for task in opened.tasks(Deadline.after(SOON))]


def tell(opened: CsvConnector, task: str, status: str, idcall: str | None = None) -> bool:
    outcome = TaskOutcome(status, status.title(), AT, idcall=idcall, seconds=35)
    return opened.update_task(Task(task, {}), outcome, Deadline.after(SOON)).created


def test_a_task_has_the_columns_of_its_row_as_text(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened:
        first = next(iter(opened.tasks(Deadline.after(SOON))))
    assert first == Task("1", {"id": "1", "phone": "600112233", "due": "2024-05-02", "name": "Ana"})


def test_outcomes_are_added_to_the_file_beside_and_the_list_stays_as_it_is(campaign: Path) -> None:
    before = campaign.read_bytes()
    with connector(campaign.parent, tasks=SAID) as opened:
        assert tell(opened, "1", "claimed")
        assert tell(opened, "1", "accepted", "77")
        assert not tell(opened, "1", "accepted", "77")
        assert tell(opened, "1", "answered", "77")
    assert campaign.read_bytes() == before
    rows = table(campaign.parent / "campaign.results.csv")
    assert [(row["id"], row["status"], row["idcall"]) for row in rows] == [
        ("1", "claimed", ""),
        ("1", "accepted", "77"),
        ("1", "answered", "77"),
    ]
    assert rows[2]["at"] == "2024-05-02T12:00:00+02:00"
    assert (rows[2]["text"], rows[2]["seconds"], rows[2]["result"]) == ("Answered", "35", "")


def test_what_was_taken_up_is_not_listed_again_even_by_another_process(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened, connector(campaign.parent, tasks=SAID) as other:
        assert listed(opened) == ["1", "2"]
        tell(opened, "1", "claimed")
        assert listed(opened) == ["2"]
        assert listed(other) == ["2"]
    with connector(campaign.parent, tasks=SAID) as opened:
        assert listed(opened) == ["2"]


def test_a_task_is_read_as_the_file_is_at_that_moment(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened:
        task = Task("2", {})
        campaign.write_text("id,phone,due,name\n2,911999888,,Eva\n")
        again = opened.read_task(task, Deadline.after(SOON))
        assert again is not None
        assert again.fields["phone"] == "911999888"
        campaign.write_text("id,phone,due,name\n1,600112233,,Ana\n")
        assert opened.read_task(task, Deadline.after(SOON)) is None


def test_a_task_that_is_done_is_gone_and_one_under_way_is_not(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened:
        task = Task("1", {})
        for status in ("claimed", "accepted"):
            tell(opened, "1", status)
            assert opened.read_task(task, Deadline.after(SOON)) is not None
        tell(opened, "1", "no_answer")
        assert opened.read_task(task, Deadline.after(SOON)) is None


def test_a_task_of_a_file_that_is_gone_can_not_be_read(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened:
        campaign.unlink()
        with pytest.raises(Unavailable):
            opened.read_task(Task("1", {}), Deadline.after(SOON))
        campaign.write_text('id,phone\n1,"600112233\n')
        with pytest.raises(Unavailable):
            opened.read_task(Task("1", {}), Deadline.after(SOON))


def test_rows_without_an_id_or_with_anothers_are_left_out_and_said_once(
    campaign: Path, caplog: pytest.LogCaptureFixture
) -> None:
    campaign.write_text("id,phone\n1,600112233\n,600999888\n1,911222333\n 2 ,911222333\n")
    with caplog.at_level(logging.WARNING), connector(campaign.parent, tasks=SAID) as opened:
        tasks = list(opened.tasks(Deadline.after(SOON)))
        assert [(task.id, task.fields["phone"]) for task in tasks] == [("1", "600112233"), ("2", "911222333")]
        listed(opened)
    assert caplog.text.count("1 rows without an id and 1 with another's id") == 1


def test_new_rows_are_listed(campaign: Path) -> None:
    with connector(campaign.parent, tasks=SAID) as opened:
        with campaign.open("a") as file:
            file.write("3,600000000,,Luis\n")
        eventually(lambda: listed(opened) == ["1", "2", "3"], "the new task")


def test_an_id_that_looks_like_a_formula_is_still_that_id(campaign: Path) -> None:
    campaign.write_text("id,phone\n=1,600112233\n")
    with connector(campaign.parent, tasks=SAID) as opened:
        tell(opened, "=1", "claimed")
        assert listed(opened) == []
        assert opened.read_task(Task("=1", {}), Deadline.after(SOON)) is not None


def test_a_large_campaign_goes_through_without_reading_its_results_again_and_again(campaign: Path) -> None:
    campaign.write_text("id,phone\n" + "".join(f"{number},6001{number:05}\n" for number in range(2000)))
    with connector(campaign.parent, tasks=SAID) as opened:
        for number in range(0, 2000, 10):
            task = Task(str(number), {})
            assert opened.read_task(task, Deadline.after(SOON)) is not None
            tell(opened, task.id, "claimed")
        assert len(listed(opened)) == 1800


def test_a_list_is_never_changed_and_check_says_so_where_it_once_was(campaign: Path) -> None:
    back = {**SAID, "write_back": {"estado": "status", "id": "text"}}
    before = campaign.stat()
    with connector(campaign.parent, tasks=back) as opened:
        tell(opened, "1", "claimed")
        tell(opened, "1", "answered", "77")
    assert (campaign.stat().st_ino, campaign.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    rows = table(campaign.parent / "campaign.results.csv")
    assert [(row["id"], row["status"]) for row in rows] == [("1", "claimed"), ("1", "answered")]
    [problem] = options(tasks=back).problems(campaign.parent)
    assert (problem.loc, problem.warning) == (("tasks", "write_back"), True)
    assert "what became of each task is in campaign.results.csv" in problem.text
    assert list(options(tasks=SAID).problems(campaign.parent)) == []


def claimed(folder: Path, whose: str, at: datetime = AT, others: tuple[str, ...] = ()) -> bool:
    """Whether an installation may call task 1, having read it and claimed it."""
    with connector(folder, installation=whose, others=lambda: others, tasks=SAID) as opened:
        try:
            if opened.read_task(Task("1", {}), Deadline.after(SOON)) is None:
                return False
            opened.update_task(Task("1", {}), TaskOutcome("claimed", "now", at), Deadline.after(SOON))
        except ClaimedElsewhere:
            return False
        return True


def test_what_another_installation_has_claimed_is_left_alone(campaign: Path) -> None:
    assert claimed(campaign.parent, "one")
    assert claimed(campaign.parent, "one")  # told again after a crash
    assert not claimed(campaign.parent, "two")
    rows = table(campaign.parent / "campaign.results.csv")
    assert [(row["status"], row["installation"]) for row in rows] == [("claimed", "one")]


def test_what_becomes_of_anothers_task_is_not_written_over(campaign: Path) -> None:
    assert claimed(campaign.parent, "one")
    with connector(campaign.parent, installation="two", tasks=SAID) as opened:
        assert not tell(opened, "1", "cancelled")
    with connector(campaign.parent, installation="one", tasks=SAID) as opened:
        assert tell(opened, "1", "answered")
    rows = table(campaign.parent / "campaign.results.csv")
    assert [row["status"] for row in rows] == ["claimed", "answered"]


def test_hosts_on_one_database_take_a_claim_over_that_is_the_same(campaign: Path) -> None:
    assert claimed(campaign.parent, "one")
    assert claimed(campaign.parent, "two", others=("one", "two"))
    assert not claimed(campaign.parent, "two", AT + timedelta(seconds=1), others=("one", "two"))


def test_a_claim_of_an_older_version_is_ones_own_only_where_it_is_the_same(campaign: Path) -> None:
    written = "2024-05-02T12:00:00+02:00"
    results = campaign.parent / "campaign.results.csv"
    results.write_text(f"bridge_key,id,status,text,at,idcall,result,seconds\n1:claimed:,1,claimed,,{written},,,\n")
    assert not claimed(campaign.parent, "one", AT + timedelta(seconds=1))
    assert claimed(campaign.parent, "one")


def test_of_many_who_claim_at_one_moment_one_may_call(campaign: Path) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        all_ = [stack.enter_context(connector(campaign.parent, installation=f"{n}", tasks=SAID)) for n in range(8)]
        for opened in all_:
            assert opened.read_task(Task("1", {}), Deadline.after(SOON)) is not None
        done = [pool.submit(tell, opened, "1", "claimed") for opened in all_]
    assert sum(one.exception() is None for one in done) == 1
    assert all(isinstance(one.exception(), ClaimedElsewhere | type(None)) for one in done)


def test_another_installation_on_the_list_is_said_once(campaign: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert claimed(campaign.parent, "one")
    with caplog.at_level(logging.WARNING), connector(campaign.parent, installation="two", tasks=SAID) as opened:
        assert listed(opened) == listed(opened) == ["2"]
    assert caplog.text.count("another installation of the bridge (one)") == 1


def test_a_probe_reads_the_list_and_its_times(campaign: Path) -> None:
    said = {**SAID, "dates": {}}
    with connector(campaign.parent, tasks=said) as opened:
        [finding] = opened.probe(Deadline.after(SOON))
        assert (finding.ok, finding.text) == (True, "2 rows listed")
        campaign.write_text("id,phone,due\n1,600112233,mañana\n")
        [finding] = opened.probe(Deadline.after(SOON))
        assert not finding.ok
        assert "1 row of 1 with a time" in finding.text
        campaign.write_text('id,phone\n1,"600112233\n')
        [finding] = opened.probe(Deadline.after(SOON))
        assert not finding.ok
