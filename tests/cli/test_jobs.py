"""`jobs`: what is not done, why, and what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.cli import main
from bridge.cli.jobtext import story
from bridge.config.model import Line
from bridge.store.deliveries import Attempt, Delivery, NewDelivery, State, add, get
from bridge.store.tables import pokes
from connectors.base import Ambiguous, ConnectorError, Misconfigured, Rejected, Unavailable
from connectors.http.failures import Broken
from connectors.rest.answers import SignInRefused
from connectors.sql.database import UnfitValue
from tests.cli.conftest import Run
from tests.fakes.connector import Handheld
from tests.fakes.exchange import NOON, Exchange, arrival, final

LINE = Line.model_validate({"number": "912345678", "password": "3956"})
AWAY = Unavailable("crm does not answer", exchange="POST https://crm/calls\n503 Service Unavailable")
REFUSED = Rejected("Subject is too long", exchange="POST https://crm/calls\n400 Bad Request")


def failed(exchange: Exchange, crm: Handheld, call: str, error: Exception | None) -> int:
    """A job of this call, after an attempt that met this error; its number."""
    exchange.tell(arrival("fin", final(call_sequence=call)))
    (job,) = [job for job in exchange.deliveries(State.PENDING) if job.key.split(":")[1] == call]
    if error is not None or call == "done":
        crm.refuse = error
        exchange.deliverer(str(job.id))
        crm.refuse = None
    return job.id


@pytest.fixture
def four(exchange: Exchange, crm: Handheld) -> dict[str, int]:
    """A job in each state that there is."""
    return {
        "done": failed(exchange, crm, "done", None),
        "failed": failed(exchange, crm, "failed", AWAY),
        "dead": failed(exchange, crm, "dead", REFUSED),
        "pending": failed(exchange, crm, "pending", None),
    }


def state_of(exchange: Exchange, id_: int) -> State:
    with exchange.database.read() as connection:
        job = get(connection, id_)
    assert job is not None
    return job.state


def test_list_shows_what_is_not_done(run: Run, four: dict[str, int]) -> None:
    said = run("jobs", "list")
    assert said.code == 0
    head, *rows = said.out.splitlines()
    assert head.split() == ["ID", "STATE", "KIND", "CONNECTOR", "ATTEMPTS", "NEXT", "KEY", "ERROR"]
    assert [row.split()[:4] for row in rows] == [
        [str(four["failed"]), "failed", "activity", "crm"],
        [str(four["dead"]), "dead", "activity", "crm"],
        [str(four["pending"]), "pending", "activity", "crm"],
    ]
    assert rows[0].split()[4:] == [
        "1",
        "2026-03-02",
        "13:00:02",
        "912345678:failed:crm:call",
        "crm",
        "does",
        "not",
        "answer",
    ]


def test_list_shows_the_reason_at_the_end_of_a_long_error(run: Run, exchange: Exchange, crm: Handheld) -> None:
    url = f"https://crm.example.com/{'x' * 200}"
    away = Unavailable(f"looking up contact failed: crm: crm is not asked until it answers again: GET {url}: refused")
    failed(exchange, crm, "failed", away)
    _, row = run("jobs", "list").out.splitlines()
    assert "looking up contact failed: crm: crm is not asked" in row
    assert row.endswith("xxx: refused")


@pytest.mark.parametrize(
    "before",
    [("-c", "{}", "jobs", "list"), ("jobs", "-c", "{}", "list"), ("jobs", "--config={}", "list"),
     ("jobs", "-c", "nothing.yaml", "list", "-c", "{}"), ("-c", "nothing.yaml", "jobs", "-c", "{}", "list"),
     ("callbacks", "-c", "{}", "list"), ("calls", "-c", "{}", "list"), ("lines", "-c", "{}", "list"),
     ("campaign", "-c", "{}", "list"), ("person", "-c", "{}", "export", "600111222"), ("-c", "{}", "check")],
)  # fmt: skip
def test_the_configuration_may_be_named_before_the_command(
    exchange: Exchange, config: Path, before: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exchange.database
    with pytest.raises(SystemExit) as ended:
        main([word.format(config) for word in before])
    assert ended.value.code == 0, capsys.readouterr().err


def test_list_as_json(run: Run, four: dict[str, int]) -> None:
    jobs = json.loads(run("jobs", "list", "--json").out)
    assert {job["state"]: job["id"] for job in jobs} == {name: four[name] for name in ("failed", "dead", "pending")}
    assert jobs[0] == {
        "id": four["failed"],
        "kind": "activity",
        "state": "failed",
        "connector": "crm",
        "key": "912345678:failed:crm:call",
        "attempts": 1,
        "next": (NOON + timedelta(seconds=2)).isoformat(),
        "error": "crm does not answer",
    }
    assert (jobs[1]["next"], jobs[2]["error"]) == (None, None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("--state", "failed"), {"failed"}),
        (("--state", "pending"), {"pending"}),
        (("--state", "dead"), {"dead"}),
        (("--state", "running"), set()),
        (("--connector", "crm"), {"failed", "dead", "pending"}),
        (("--connector", "agenda"), set()),
        (("--kind", "save"), set()),
        (("--kind", "activity", "--state", "dead"), {"dead"}),
    ],
)
def test_list_filters(run: Run, four: dict[str, int], filters: tuple[str, ...], expected: set[str]) -> None:
    listed = json.loads(run("jobs", "list", "--json", *filters).out)
    assert {job["id"] for job in listed} == {four[name] for name in expected}


def test_list_says_that_there_is_more(run: Run, exchange: Exchange) -> None:
    with exchange.database.write() as connection:
        add(exchange.database, connection, [NewDelivery("save", f"k{n}", "crm", {}) for n in range(450)], NOON)
    said = run("jobs", "list")
    assert len(said.out.splitlines()) == 101
    assert "and more" in said.err
    assert len(run("jobs", "list", "--limit", 3).out.splitlines()) == 4
    assert len(json.loads(run("jobs", "list", "--json").out)) == 450
    assert "and more" not in run("jobs", "list", "--limit", 450).err


def test_an_empty_list_says_so(run: Run, exchange: Exchange) -> None:
    assert "nothing" in run("jobs", "list").out
    assert json.loads(run("jobs", "list", "--json").out) == []


def test_a_database_that_is_not_there_is_not_made(run: Run, config: Path) -> None:
    said = run("jobs", "show", 1)
    assert said.code == 1
    assert said.err.startswith("error: there is no database at")
    assert "serve" in said.err
    assert not (config.parent / "bridge.db").exists()


@pytest.mark.parametrize("group", ["jobs", "calls", "callbacks", "lines", "campaign"])
def test_a_list_before_the_first_serve_says_that_there_is_nothing_yet(run: Run, config: Path, group: str) -> None:
    said = run(group, "list", "--language", "es")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("todavía no hay nada")
    assert run(group, "list").out.startswith("there is nothing yet")
    assert json.loads(run(group, "list", "--json").out) == []
    assert not (config.parent / "bridge.db").exists()


def test_show_tells_a_newcomer_why_and_what_to_do(run: Run, four: dict[str, int]) -> None:
    said = run("jobs", "show", four["dead"])
    assert said.code == 0
    assert said.out.startswith(
        f"Job {four['dead']}: activity in crm for call dead of line 912345678, with +34600111222\n"
        "  state     dead since 2026-03-02 13:00:00, 1 attempt so far\n"
        "  key       912345678:dead:crm:call\n"
        "  created   2026-03-02 13:00:00\n"
        "  error     Rejected: Subject is too long"
    )
    for part in (
        "Attempts, newest last:\n  2026-03-02 13:00:00",
        "Last request and answer (secrets and numbers masked):\n  POST https://crm/calls\n  400 Bad Request\n",
        "What to do:\n  The CRM refused this very record",
        f"infocaller-bridge jobs retry {four['dead']}\n",
        f"infocaller-bridge jobs discard {four['dead']}\n",
    ):
        assert part in said.out


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (AWAY, "The CRM was away"),
        (Misconfigured("no such field Foo__c"), "has to be mended"),
        (SignInRefused("401 Unauthorized"), "has to be mended"),
        (Broken("the connection broke"), "The CRM was away"),
        (UnfitValue("no column takes it"), "Mend what the error names"),
        (REFUSED, "Mend what the error names"),
        (Ambiguous("the answer was lost"), "Look there"),
        (ConnectorError("odd"), "fault of the bridge"),
        (ZeroDivisionError("oops"), "fault of the bridge"),
    ],
)
def test_show_has_a_cure_for_every_kind_of_error(
    run: Run, exchange: Exchange, crm: Handheld, error: Exception, cure: str
) -> None:
    said = run("jobs", "show", failed(exchange, crm, "7", error))
    assert cure in said.out
    assert str(error) in said.out


def test_show_says_when_it_is_tried_next(exchange: Exchange, crm: Handheld) -> None:
    id_ = failed(exchange, crm, "7", AWAY)
    with exchange.database.read() as connection:
        job = get(connection, id_)
    assert job is not None
    text = "\n".join(story(job, [], LINE, NOON - timedelta(minutes=5)))
    assert "failed, 1 attempt so far; next at 2026-03-02 13:00:02 (in 5 min 2 s)" in text
    assert "as soon as it can" in "\n".join(story(job, [], LINE, NOON + timedelta(minutes=5)))


def test_show_of_what_was_given_up_says_for_how_long_it_was_tried(exchange: Exchange, crm: Handheld) -> None:
    exchange.tell(arrival("fin", final()))
    crm.refuse = AWAY
    exchange.work()
    exchange.later(hours=73)
    (job,) = exchange.work()
    assert job.state is State.DEAD
    text = "\n".join(story(job, [Attempt(NOON, 12, "later", "away\n again")], LINE, exchange.now))
    assert "It failed for 72 hours" in text
    assert "12 ms  later  away again" in text


def test_show_of_a_save_names_its_table(exchange: Exchange) -> None:
    new = NewDelivery("save", "k", "crm", {"table": "survey", "fields": {}}, e164="+34600111222")
    with exchange.database.write() as connection:
        (id_,) = add(exchange.database, connection, [new], NOON).values()
        job = get(connection, id_)
    assert isinstance(job, Delivery)
    assert next(story(job, [], LINE, NOON)) == f"Job {id_}: new survey in crm, of +34600111222"
    assert "it waits for its turn" in "\n".join(story(job, [], LINE, NOON))


def test_show_as_json(run: Run, four: dict[str, int]) -> None:
    job = json.loads(run("jobs", "show", four["dead"], "--json").out)
    assert (job["state"], job["error_class"], job["number"]) == ("dead", "Rejected", "+34600111222")
    assert job["tries"][0]["outcome"] == "dead"
    assert job["payload"]["rule"] == "crm:call"


def test_done_jobs_can_be_shown_though_they_are_not_listed(run: Run, four: dict[str, int]) -> None:
    said = run("jobs", "show", four["done"])
    assert "done since" in said.out
    assert "What to do" not in said.out


@pytest.mark.parametrize("command", ["show", "retry", "discard"])
def test_an_unknown_job_is_said(run: Run, four: dict[str, int], command: str) -> None:
    said = run("jobs", command, 999)
    assert said.code == 1
    assert "error: there is no job 999" in said.err


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_wrong_usage_is_exit_code_2(run: Run, four: dict[str, int], command: str) -> None:
    assert run("jobs", command).code == 2
    assert run("jobs", command, "abc").code == 2


def test_retry_tries_again_now(run: Run, exchange: Exchange, crm: Handheld, four: dict[str, int]) -> None:
    said = run("jobs", "retry", four["dead"], four["failed"])
    assert said.code == 0
    assert said.out.splitlines() == [f"job {four[name]} is tried again now" for name in ("dead", "failed")]
    with exchange.database.read() as connection:
        newest = select(pokes.c.key, pokes.c.lane).order_by(pokes.c.id.desc()).limit(2)
        woken = [tuple(row) for row in connection.execute(newest)]
    assert woken == [(str(four["failed"]), "crm"), (str(four["dead"]), "crm")]
    exchange.now = datetime.now(UTC) + timedelta(seconds=1)
    for name in ("dead", "failed"):
        exchange.deliverer(str(four[name]))
        assert state_of(exchange, four[name]) is State.DONE
    assert len(crm.logged) == 3


def test_retry_of_several_does_those_that_it_can(run: Run, exchange: Exchange, four: dict[str, int]) -> None:
    said = run("jobs", "retry", four["done"], four["dead"])
    assert said.code == 1
    assert f"error: job {four['done']} is done already" in said.err
    assert state_of(exchange, four["dead"]) is State.PENDING


def test_retry_all_is_what_failed_or_is_dead(run: Run, exchange: Exchange, four: dict[str, int]) -> None:
    said = run("jobs", "retry", "--all")
    assert (said.code, said.out) == (0, "2 jobs are tried again now\n")
    assert state_of(exchange, four["dead"]) is State.PENDING


@pytest.mark.parametrize(("connector", "count"), [("crm", 2), ("agenda", 0)])
def test_retry_all_of_one_connector(run: Run, four: dict[str, int], connector: str, count: int) -> None:
    assert run("jobs", "retry", "--all", "--connector", connector).out.startswith(f"{count} jobs")


@pytest.mark.parametrize("arguments", [("1", "--all"), ("1", "--connector", "crm")])
def test_retry_of_single_jobs_takes_no_filters(run: Run, four: dict[str, int], arguments: tuple[str, ...]) -> None:
    assert run("jobs", "retry", *arguments).code == 2


def test_discard_gives_up(run: Run, exchange: Exchange, crm: Handheld, four: dict[str, int]) -> None:
    said = run("jobs", "discard", four["dead"], four["pending"], four["done"])
    assert said.code == 1
    assert f"error: job {four['done']} is done already" in said.err
    assert state_of(exchange, four["dead"]) is State.DISCARDED
    assert [job["id"] for job in json.loads(run("jobs", "list", "--json").out)] == [four["failed"]]
    exchange.later(hours=1)
    exchange.deliverer(str(four["pending"]))
    assert len(crm.logged) == 1


def test_long_replays_show_their_progress_on_a_terminal(config: Path, exchange: Exchange) -> None:
    with exchange.database.write() as connection:
        new = [NewDelivery("save", f"k{number}", "crm", {}) for number in range(60)]
        ids = add(exchange.database, connection, new, NOON)
    for id_ in ids.values():
        exchange.deliverer(str(id_))  # a payload that nobody understands
    exchange.close()
    terminal, other_end = os.openpty()
    command = [sys.executable, "-m", "bridge", "jobs", "retry", "--all", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=other_end, text=True) as process:
        os.close(other_end)
        out, _ = process.communicate(timeout=60)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # how a terminal says that it is over
        pass
    os.close(terminal)
    assert process.returncode == 0
    assert out == "60 jobs are tried again now\n"
    assert b"trying again" in shown
    assert b"100%" in shown
