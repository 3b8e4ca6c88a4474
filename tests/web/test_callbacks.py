"""Tasks that come by HTTP: as JSON from servers, and as Salesforce's Outbound Messages."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bridge.store.schema import connect
from bridge.store.tables import callbacks, deliveries
from tests.connectors.test_outbound_message import ORG, message, notification
from tests.web.bridge_process import Bridge, Reply, running, until

TOKEN = "a-token-of-24-characters-and-more"
CONFIGURATION = """
server: {workers: 2, threads: 40}
lines: [{number: "912345678", password: "3956"}]
connectors:
  sf:
    type: salesforce
    login: {session_id: x, instance_url: "https://127.0.0.1:9"}
    organization_id: 00D8d0000000001EAA
    tasks: {where: "Type = 'Callback'"}
callbacks:
  - {name: web, token: TOKEN, line: "912345678", rule_group: g, asked_per_number: 3/d}
  - {name: narrow, token: TOKEN, line: "912345678", rule_group: g, per_address: 5/h}
  - {name: sf, from: sf, token: TOKEN, line: "912345678", rule_group: g}
  - {name: polled, from: sf, line: "912345678", rule_group: g, when: no}
""".replace("TOKEN", TOKEN)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "config.yaml").write_text(CONFIGURATION)
    with running(folder) as bridge:
        yield bridge


def ask(
    bridge: Bridge, task: object, source: str = "web", token: str = TOKEN, headers: Mapping[str, str] | None = None
) -> Reply:
    body = task if isinstance(task, bytes) else json.dumps(task).encode()
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
    return bridge.ask("POST", f"/callbacks/{source}", body, sent)


def rows(bridge: Bridge) -> list[Mapping[str, object]]:
    database = connect("sqlite:///bridge.db", bridge.configuration.parent)
    try:
        with database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(select(callbacks))]
    finally:
        database.close()


def error(reply: Reply) -> str:
    assert reply.headers["content-type"] == "application/json"
    return str(json.loads(reply.text)["error"])


def test_a_task_is_on_disk_when_it_is_acknowledged_and_the_same_again_is_the_same(bridge: Bridge) -> None:
    first = ask(bridge, {"id": "T-1", "phone": "600 111 222", "due": "2099-01-07"})
    again = ask(bridge, {"id": "T-1", "phone": "600 111 222", "due": "2099-01-07"})
    assert (first.status, again.status) == (202, 202)
    assert json.loads(first.text) == json.loads(again.text)
    said = json.loads(first.text)
    assert said["state"] == "waiting"
    (row,) = [row for row in rows(bridge) if row["task_id"] == "T-1"]
    assert (row["id"], row["number"], row["source"]) == (said["id"], "+34600111222", "web")


@pytest.mark.parametrize("key", ["form-17", '"form-17"'])
def test_the_key_may_stand_in_the_header(bridge: Bridge, key: str) -> None:
    reply = ask(bridge, {"phone": "600111333"}, headers={"Idempotency-Key": key})
    assert reply.status == 202
    assert [row["number"] for row in rows(bridge) if row["task_id"] == "form-17"] == ["+34600111333"]


def test_the_same_task_sent_by_many_at_once_is_one(bridge: Bridge) -> None:
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: ask(bridge, {"id": "at once", "phone": "600111444"}), range(40)))
    assert {reply.status for reply in replies} == {202}
    assert len({json.loads(reply.text)["id"] for reply in replies}) == 1


def test_without_a_key_it_says_so(bridge: Bridge) -> None:
    reply = ask(bridge, {"phone": "600111222"})
    assert reply.status == 400
    assert "Idempotency-Key" in error(reply)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[1]", "JSON object"),
        (b'"text"', "JSON object"),
        (b'{"id": 1, "id": 2}', "twice"),
        (b'{"id": NaN}', "NaN"),
        (b'{"id": 1, "x": 1e999}', "large"),
        (b'{"id": true}', "whole number"),
        (b'{"id": [1]}', "whole number"),
        (b'{"id": "\xff"}', "UTF-8"),
        (b'{"id": "a\\u0000b"}', "none"),
        (b'{"id": 1, "x": "\\ud800"}', "none"),
        (b'{"id": "' + b"9" * 600 + b'"}', "512"),
        (b'{"id": ' + b"9" * 6000 + b"}", "can't be read"),
        (b'{"id": 1, "x": ' + b"[" * 30 + b"]" * 30 + b"}", "nested"),
        (b'{"id": 1, "x": ' + b"[" * 60_000, "nested"),
        (b'{"id": 1, "x": [' + b"1," * 500 + b"1]}", "more than"),
        (b'{"id": 1, "x": "' + b"y" * 20_000 + b'"}', "longer"),
    ],
)
def test_what_is_no_task_is_told_what_is_wrong(bridge: Bridge, body: bytes, says: str) -> None:
    reply = ask(bridge, body)
    assert reply.status == 400
    assert says in error(reply)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"id": "n1"}, "no phone number"),
        ({"id": "n2", "phone": "12"}, ""),
        ({"id": "n3", "phone": "Ana"}, "no phone number"),
        ({"id": "n4", "phone": {"a": 1}}, ""),
        ({"id": "n5", "phone": "803 111 222"}, ""),
        ({"id": "n6", "phone": "+44 20 7946 0018"}, ""),
        ({"id": "n7", "phone": "112"}, ""),
        ({"id": "n8", "phone": "600111222", "due": "mañana"}, "its time can't be read"),
    ],
)
def test_what_cannot_be_called_is_refused_with_the_reason_and_not_kept(
    bridge: Bridge, task: dict[str, object], says: str
) -> None:
    reply = ask(bridge, task)
    assert reply.status == 400
    assert "can't be called" in error(reply)
    assert says in error(reply)
    assert task["id"] not in {row["task_id"] for row in rows(bridge)}


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_done(bridge: Bridge, authorization: str) -> None:
    reply = ask(bridge, {"id": "stranger", "phone": "600111222"}, headers={"Authorization": authorization})
    assert reply.status in (401, 429)
    assert "stranger" not in {row["task_id"] for row in rows(bridge)}
    if reply.status == 401:
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("source", ["nobody", "polled", "web/x"])
def test_a_source_that_takes_nothing_by_http_is_404(bridge: Bridge, source: str) -> None:
    assert ask(bridge, {"id": 1, "phone": "600111222"}, source).status in (404, 429)


def test_other_methods_and_sizes_are_refused_in_json(bridge: Bridge) -> None:
    reply = bridge.ask("GET", "/callbacks/web")
    assert (reply.status, "POST" in reply.headers["allow"]) == (405, True)
    assert error(ask(bridge, b" " * 300_000))
    assert ask(bridge, b" " * 300_000).status == 413


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_form_is_told_that_json_is_wanted(bridge: Bridge, kind: str) -> None:
    reply = ask(bridge, b"id=1&phone=600111222", headers={"Content-Type": kind})
    assert reply.status == 400
    assert "is a form" in error(reply)
    assert "JSON object" in error(reply)


def test_json_is_read_whatever_it_is_called(bridge: Bridge) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl has it
    assert ask(bridge, {"id": "curl", "phone": "600111555"}, headers=kind).status == 202


@pytest.mark.parametrize("path", ["web", f"sf/{TOKEN}/outbound-message"])
def test_a_browser_gets_no_leave_to_come_from_another_site(bridge: Bridge, path: str) -> None:
    asked = {
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }  # fmt: skip
    reply = bridge.ask("OPTIONS", f"/callbacks/{path}", headers=asked)
    assert reply.status == 405
    assert "OPTIONS" in error(reply)
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_task_that_cannot_be_called_any_more_says_what_is_wrong_with_it_now(bridge: Bridge) -> None:
    ask(bridge, {"id": "edited", "phone": "600111666", "due": "2099-01-01"})
    first = ask(bridge, {"id": "edited", "phone": "806111222", "due": "2099-01-01"})
    second = ask(bridge, {"id": "edited", "phone": "600111666", "due": "tomorrow"})
    third = ask(bridge, {"id": "edited", "phone": "600111666", "due": "2099-01-01"})
    said = [json.loads(reply.text) for reply in (first, second, third)]
    assert [one["state"] for one in said] == ["rejected", "rejected", "waiting"]
    assert "hora" in said[1]["reason"]
    assert "tarificaci" in said[0]["reason"]


def test_one_number_is_asked_for_so_often_and_no_more(bridge: Bridge) -> None:
    replies = [ask(bridge, {"id": f"again-{n}", "phone": "600555666"}) for n in range(4)]
    assert [reply.status for reply in replies] == [202, 202, 202, 429]
    assert "this number" in error(replies[3])
    assert int(replies[3].headers["retry-after"]) > 0
    assert ask(bridge, {"id": "again-0", "phone": "600555666"}).status == 202, "the same again is no new one"


def test_one_number_is_asked_for_no_oftener_by_many_at_once(bridge: Bridge) -> None:
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda n: ask(bridge, {"id": f"flood-{n}", "phone": "600555777"}), range(32)))
    assert sorted(reply.status for reply in replies) == [202] * 3 + [429] * 29
    assert len([row for row in rows(bridge) if row["number"] == "+34600555777"]) == 3


def test_one_address_asks_so_often_and_no_more_whichever_process_hears_it(bridge: Bridge) -> None:
    replies = [ask(bridge, {"id": f"narrow-{n}", "phone": f"60055577{n}"}, "narrow") for n in range(8)]
    assert [reply.status for reply in replies] == [202] * 5 + [429] * 3
    assert "this address" in error(replies[-1])


def soap(bridge: Bridge, body: bytes, source: str = "sf", token: str = TOKEN) -> Reply:
    return bridge.ask("POST", f"/callbacks/{source}/{token}/outbound-message", body, {"Content-Type": "text/xml"})


def acknowledged(reply: Reply) -> bool:
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
    return "<Ack>true</Ack>" in reply.text


def announced(bridge: Bridge) -> set[str]:
    database = connect("sqlite:///bridge.db", bridge.configuration.parent)
    try:
        with database.read() as connection:
            return {row.payload["task_id"] for row in connection.execute(select(deliveries)) if row.kind == "task"}
    finally:
        database.close()


def test_all_of_a_message_is_on_disk_when_it_is_acknowledged(bridge: Bridge) -> None:
    body = message(*(notification(number) for number in range(50)))
    reply = soap(bridge, body)
    assert (reply.status, acknowledged(reply)) == (200, True)
    before = announced(bridge)
    assert {f"00T8d00000000{number:02}" for number in range(50)} <= before
    assert acknowledged(soap(bridge, body)), "the same again"
    assert announced(bridge) == before


def test_only_the_ids_of_a_message_are_believed(bridge: Bridge) -> None:
    soap(bridge, message(notification(77)))
    assert "00T8d0000000077" in announced(bridge)
    assert not [row for row in rows(bridge) if row["source"] == "sf"]


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"<a/>", 400),
        (b"{}", 400),
        (message(notification(1), before=BOMB), 400),
        (message(notification(1), before='<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">'), 400),
        (message(), 400),
        (message(*(notification(n % 100) for n in range(101))), 400),
        (message(notification(1, kind="sf:Case")), 400),
        (message(notification(1, record="' OR Id != '")), 400),
        (message(notification(81), organization="00D8d0000000002EAA"), 401),
    ],
)
def test_what_is_no_message_of_this_org_is_not_acknowledged(bridge: Bridge, body: bytes, status: int) -> None:
    reply = soap(bridge, body)
    assert (reply.status, acknowledged(reply)) == (status, False)
    assert "00T8d0000000081" not in announced(bridge)


def test_the_org_may_be_written_with_15_characters(bridge: Bridge) -> None:
    assert acknowledged(soap(bridge, message(notification(82), organization=ORG[:15])))


@pytest.mark.parametrize(("source", "token"), [("sf", TOKEN + "x"), ("web", TOKEN), ("polled", TOKEN), ("none", TOKEN)])
def test_a_wrong_url_is_not_acknowledged(bridge: Bridge, source: str, token: str) -> None:
    reply = soap(bridge, message(notification(83)), source, token)
    assert reply.status in (404, 429)
    assert not acknowledged(reply)
    assert "00T8d0000000083" not in announced(bridge)


def test_no_token_and_no_number_is_in_the_log(bridge: Bridge) -> None:
    ask(bridge, {"id": "logged", "phone": "600777888"})
    soap(bridge, message(notification(84)))
    soap(bridge, message(notification(84)), "sf", "mistyped-token-of-a-person")
    bridge.ask("GET", "/callbacks/sf/mistyped-token-of-a-person/elsewhere")
    until(lambda: "/callbacks/sf/•••" in bridge.log)
    assert TOKEN not in bridge.log
    assert "mistyped" not in bridge.log
    assert "600777888" not in bridge.log


def test_too_many_wrong_tokens_are_turned_away_and_the_right_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION.replace("workers: 2", "workers: 1"))
    with running(tmp_path) as bridge:
        statuses = [ask(bridge, {"id": 1}, token="wrong").status for _ in range(32)]
        assert statuses[0] == 401
        assert statuses[-1] == 429
        assert soap(bridge, b"", token="wrong").status == 429
        assert ask(bridge, {"id": 1, "phone": "600111222"}).status == 202


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    with running(tmp_path) as bridge:
        for number in range(20):
            assert ask(bridge, {"id": number, "phone": f"6001112{number:02}"}).status == 202
        assert acknowledged(soap(bridge, message(*(notification(n) for n in range(20)))))
        for pid in reversed(bridge.tree):
            os.kill(pid, signal.SIGKILL)
        bridge.process.wait()
        assert len(rows(bridge)) == 20
        assert len(announced(bridge)) == 20


def test_where_nothing_can_be_kept_nothing_is_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    (tmp_path / "bridge.db").write_bytes(b"no database at all" * 1000)
    with running(tmp_path) as bridge:
        json_reply = ask(bridge, {"id": 1, "phone": "600111222"})
        soap_reply = soap(bridge, message(notification(1)))
    assert (json_reply.status, soap_reply.status) == (503, 503)
    assert not acknowledged(soap_reply)


def test_while_postgresql_is_away_announced_tasks_are_spooled(tmp_path: Path) -> None:
    away = CONFIGURATION + 'database: "postgresql://nobody@127.0.0.1:9/nothing"\n'
    (tmp_path / "config.yaml").write_text(away)
    with running(tmp_path) as bridge:
        assert acknowledged(soap(bridge, message(notification(1))))
        assert ask(bridge, {"id": 1, "phone": "600111222"}).status == 503


def test_an_id_that_was_called_is_refused_for_another_number(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    with running(tmp_path) as bridge:
        assert ask(bridge, {"id": "T1", "phone": "600111222"}).status == 202
        database = connect("sqlite:///bridge.db", tmp_path)
        with database.write() as connection:
            connection.execute(update(callbacks).values(state="answered", rung_at=datetime.now(UTC)))
        database.close()
        assert ask(bridge, {"id": "T1", "phone": "600 111 222", "name": "Ana"}).status == 202
        reply = ask(bridge, {"id": "T1", "phone": "600111333"})
        assert reply.status == 409
        assert "id of its own" in error(reply)
        assert "600111" not in error(reply)
