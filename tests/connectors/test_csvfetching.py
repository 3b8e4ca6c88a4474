"""Tables that lie at an address on the web: asked for again and again, kept, and never trusted."""

from __future__ import annotations

import gzip
import json
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors.base import Context, Deadline, Misconfigured, Unavailable
from connectors.csv.connector import CsvConnector
from connectors.testing import eventually
from connectors.units import Duration
from tests.connectors.csvcase import QUICK, SOON, found, names, options
from tests.connectors.sheetcase import workbook
from tests.fakes.loopback import HttpRequest
from tests.fakes.sheets import CSV, SheetServer
from tests.forks import forks

LIMITS = replace(QUICK, fetch_timeout=SOON, fetch_again=0.05)
NEW = b"name,phone\nEva,600112233\n"
SECRET = "/spreadsheets/d/1GrTr1msgUJ_Nx1boZ4d/export?format=csv&key=K4Y5ECRET"


@pytest.fixture
def sheet() -> Iterator[SheetServer]:
    with SheetServer() as server:
        yield server


@contextmanager
def fetching(
    folder: Path, address: str, every: float = 3600.0, limits: Any = LIMITS, report: Any = None, **more: Any
) -> Iterator[CsvConnector]:
    """A connector with one table of contacts at an address."""
    cache = folder / ".cache"
    cache.mkdir(exist_ok=True)
    said = options(tables={"contact": {"file": address, "phones": ["phone"], **more.pop("table", {})}}, **more)
    often = {"contact": said.tables["contact"].model_copy(update={"every": Duration(every)})}
    context = Context(folder=folder, cache=cache, log=logging.getLogger("connectors.test"))
    if report is not None:
        context = replace(context, report=report)
    opened = CsvConnector("agenda", said.model_copy(update={"tables": often}), context, limits)
    try:
        yield opened
    finally:
        opened.close()


def stale(opened: CsvConnector) -> str:
    return opened.stale("contact")


def answering(opened: CsvConnector, name: str) -> None:
    def answered() -> bool:
        try:
            return names(opened) == [name]
        except (Unavailable, Misconfigured):
            return False

    eventually(answered, f"{name} in the table")


def test_the_first_caller_after_the_first_start_finds_it_there(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv")) as opened:
        assert names(opened) == ["Ana"]
        eventually(lambda: stale(opened) == "", "the end of the fault")


def test_a_change_is_taken_up_and_what_is_the_same_is_not_sent_again(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        eventually(lambda: len(sheet.requests) > 3, "more questions")
        assert names(opened) == ["Ana"]
        [copy] = (tmp_path / ".cache").glob("*.fetched")
        was = copy.stat()
        tags = sheet.asked("If-None-Match")
        assert tags[0] is None
        assert all(tags[1:])
        sheet.body = NEW
        answering(opened, "Eva")
        assert copy.stat().st_ino != was.st_ino
        assert copy.stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_tag_the_time_of_its_last_change_is_sent(sheet: SheetServer, tmp_path: Path) -> None:
    sheet.tag = False
    sheet.headers["Last-Modified"] = "Mon, 23 Nov 2026 10:00:00 GMT"
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        eventually(lambda: sheet.asked("If-Modified-Since")[-1] == sheet.headers["Last-Modified"], "the time")
        sheet.body = NEW
        answering(opened, "Eva")


def test_a_copy_that_somebody_cut_off_is_not_taken_for_what_the_tag_says(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv")) as opened:
        assert names(opened) == ["Ana"]
    [copy] = (tmp_path / ".cache").glob("*.fetched")
    copy.write_bytes(b"name,pho")
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        answering(opened, "Ana")


def test_a_restart_serves_what_was_fetched_before_and_asks_no_sooner(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv")):
        pass
    with fetching(tmp_path, sheet.url("/a.csv")) as opened:
        assert names(opened) == ["Ana"]
        eventually(lambda: stale(opened) == "", "the end of the fault")
    assert len(sheet.requests) == 1


def test_a_restart_without_the_network_serves_what_was_fetched_before(tmp_path: Path) -> None:
    with SheetServer() as sheet:
        address = sheet.url("/a.csv")
        with fetching(tmp_path, address):
            pass
    with fetching(tmp_path, address, every=0.05) as opened:
        assert names(opened) == ["Ana"]
        eventually(lambda: "connection refused" in stale(opened), "why it is old")
        assert stale(opened).startswith("as of 20")


@pytest.mark.parametrize(
    ("status", "said"),
    [(500, "answers 500"), (503, "answers 503"), (429, "answers 429"), (401, "share it"), (403, "share it"),
     (404, "is the address right"), (410, "is the address right"), (204, "answers 204"), (206, "answers 206")],
)  # fmt: skip
def test_a_failure_leaves_the_old_content_and_is_told_once_with_its_end(
    sheet: SheetServer, tmp_path: Path, status: int, said: str
) -> None:
    told: list[tuple[str, str, bool]] = []
    with fetching(tmp_path, sheet.url(SECRET), every=0.1, report=lambda *news: told.append(news)) as opened:
        assert names(opened) == ["Ana"]
        sheet.status = status
        eventually(lambda: said in stale(opened), "the failure")
        asked = len(sheet.requests)
        eventually(lambda: len(sheet.requests) > asked + 3, "further attempts")
        assert names(opened) == ["Ana"]
        sheet.status = 200
        eventually(lambda: not stale(opened), "the end of it")
    assert [(part, bool(why), serves) for part, why, serves in told] == [
        ("contact", True, True),
        ("contact", False, False),
    ]
    assert "1GrTr1" not in told[0][1]
    assert "127.0.0.1" in told[0][1]


def test_a_server_that_wants_to_be_left_alone_is(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.1, limits=replace(LIMITS, fetch_again=3600.0)) as opened:
        assert names(opened) == ["Ana"]
        sheet.headers["Retry-After"] = "3600"  # before the status: it is asked all the time
        sheet.status = 429
        eventually(lambda: "429" in stale(opened), "the failure")
        (kept,) = (tmp_path / ".cache").glob("*.fetched.json")
        eventually(lambda: json.loads(kept.read_text())["pause"] == 3600.0, "the pause in the state")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html; charset=utf-8", "a web page came"),
        (b"\xef\xbb\xbf\n <HTML><body>Inicie sesi\xc3\xb3n</body></HTML>", "text/csv", "a web page came"),
        ("\ufeff<html>".encode("utf-16-le"), "text/csv", "a web page came"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "application/xml", "a web page came"),
        (b'{"error": "login"}', "application/json", "JSON came"),
        (b"", "text/csv", "nothing came"),
        (b"\r\n \r\n", "text/csv", "nothing came"),
    ],
)
def test_what_is_no_table_takes_the_place_of_none(
    sheet: SheetServer, tmp_path: Path, body: bytes, kind: str, said: str
) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        assert names(opened) == ["Ana"]
        sheet.body, sheet.kind = body, kind
        eventually(lambda: said in stale(opened), "the failure")
        assert names(opened) == ["Ana"]
    [copy] = (tmp_path / ".cache").glob("*.fetched")
    assert copy.read_bytes() == CSV


@pytest.mark.parametrize("kind", ["text/html; charset=UTF-8", "application/octet-stream", "text/plain", ""])
def test_a_table_is_known_by_its_content_whatever_the_server_calls_it(
    sheet: SheetServer, tmp_path: Path, kind: str
) -> None:
    sheet.kind = kind
    with fetching(tmp_path, sheet.url("/a.csv")) as opened:
        assert names(opened) == ["Ana"]


def test_a_wrong_charset_does_no_harm(sheet: SheetServer, tmp_path: Path) -> None:
    sheet.body = "nombre;phone\nPeña Muñoz;600112233\n".encode("cp1252")
    with fetching(tmp_path, sheet.url("/a.csv"), table={"columns": {"name": "nombre"}}) as opened:
        assert names(opened) == ["Peña Muñoz"]


def test_a_table_without_its_columns_is_at_fault_as_a_file_is(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url(SECRET), every=0.05) as opened:
        assert names(opened) == ["Ana"]
        sheet.body = b"nombre,telefono\nAna,600112233\n"
        eventually(lambda: "there is no column phone" in stale(opened), "the fault")
        assert names(opened) == ["Ana"]
        assert "fetched" not in stale(opened)
        sheet.body = NEW
        answering(opened, "Eva")
        eventually(lambda: stale(opened) == "", "the end of the fault")


def test_a_workbook_is_read_as_one_whatever_the_address_is(sheet: SheetServer, tmp_path: Path) -> None:
    path = workbook(tmp_path / "w.xlsx", [["Clientes"], [], ["name", "phone"], ["Ana", 600112233]], sheet="Clientes")
    sheet.body, sheet.kind = path.read_bytes(), "application/octet-stream"
    with fetching(tmp_path, sheet.url("/download?id=7"), table={"sheet": "Clientes"}) as opened:
        assert names(opened) == ["Ana"]


def test_a_slow_server_is_not_waited_for_beyond_the_deadline(sheet: SheetServer, tmp_path: Path) -> None:
    def drip(handler: HttpRequest) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not sheet.over.wait(0.02):
            handler.wfile.write(b"a")

    sheet.answer = drip
    limits = replace(LIMITS, fetch_timeout=1.0, first_fetch=0.0)
    with fetching(tmp_path, sheet.url("/a.csv"), limits=limits) as opened:
        with pytest.raises(Unavailable, match="not been fetched yet"):
            found(opened)
        eventually(lambda: _failing(opened, "no whole answer in time"), "the end of its time")
        sheet.answer = None
        answering(opened, "Ana")


def test_a_server_that_is_away_keeps_no_start_waiting_for_long(tmp_path: Path, sheet: SheetServer) -> None:
    held = threading.Event()

    def late(handler: HttpRequest) -> None:
        held.wait(60)
        handler.reply(CSV)

    sheet.answer = late
    with fetching(tmp_path, sheet.url("/a.csv"), limits=replace(LIMITS, first_fetch=0.1)) as opened:
        with pytest.raises(Unavailable):
            found(opened)
        held.set()
        answering(opened, "Ana")


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_without_end_is_not_read_to_it(
    sheet: SheetServer, tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.csv.fetching.LARGEST", 1_000_000)
    bomb = gzip.compress(b"name,phone\n" + b"0" * 200_000_000, 1)

    def flood(handler: HttpRequest) -> None:
        if packed:
            handler.reply(bomb, headers={"Content-Encoding": "gzip", "Content-Type": "text/csv"})
            return
        handler.send_response(200)
        handler.end_headers()
        while not sheet.over.is_set():
            handler.wfile.write(b"name,phone\n" * 10_000)

    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        sheet.answer = flood
        eventually(lambda: "larger than 1 MB" in stale(opened), "the refusal")
        assert names(opened) == ["Ana"]


def test_a_broken_packing_is_a_failure(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        sheet.answer = lambda handler: handler.reply(b"no gzip at all", headers={"Content-Encoding": "gzip"})
        eventually(lambda: "can't be unpacked" in stale(opened), "the failure")
        assert names(opened) == ["Ana"]


def test_a_body_that_breaks_off_is_a_failure(sheet: SheetServer, tmp_path: Path) -> None:
    def cut(handler: HttpRequest) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(NEW)

    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        sheet.answer = cut
        eventually(lambda: "broke off" in stale(opened), "the failure")
        assert names(opened) == ["Ana"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_to_the_hosts_that_are_named_alone(sheet: SheetServer, tmp_path: Path, status: int) -> None:
    sheet.redirects["/export"] = (status, sheet.url("/real?token=T0K3N", host="127.0.0.1"))
    address = sheet.url("/export?key=K4Y5ECRET", host="localhost").replace("//", "//ana:s3cr3t@")
    with fetching(tmp_path, address) as opened:
        with pytest.raises(Misconfigured, match=r"leads to another host, http://127\.0\.0\.1/…") as refused:
            found(opened)
        assert not any(secret in str(refused.value) for secret in ("K4Y5", "T0K3N", "s3cr3t"))
    assert {path for path, _ in sheet.requests} == {"/export?key=K4Y5ECRET"}
    with fetching(tmp_path / "..", address, table={"redirects": ["127.0.0.1"]}) as opened:
        assert names(opened) == ["Ana"]
    signed_in = {(path, headers.get("Authorization") is not None) for path, headers in sheet.requests}
    assert signed_in == {("/export?key=K4Y5ECRET", True), ("/real?token=T0K3N", False)}


def test_it_follows_on_its_own_host_but_not_for_ever(sheet: SheetServer, tmp_path: Path) -> None:
    sheet.redirects["/old"] = (302, "/a.csv")
    with fetching(tmp_path, sheet.url("/old")) as opened:
        assert names(opened) == ["Ana"]
    sheet.redirects["/round"] = (302, "/round")
    with fetching(tmp_path, sheet.url("/round")) as opened, pytest.raises(Misconfigured, match="more than 5 times"):
        found(opened)


def test_a_page_to_sign_in_says_what_to_do(sheet: SheetServer, tmp_path: Path) -> None:
    sheet.redirects["/export"] = (302, "https://accounts.google.com/v3/signin/identifier?continue=x")
    with (
        fetching(tmp_path, sheet.url("/export")) as opened,
        pytest.raises(Misconfigured, match="anyone who has the link"),
    ):
        found(opened)


def test_over_tls_the_certificate_is_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with SheetServer(tls) as sheet:
        address = sheet.url(SECRET, host="localhost")
        with fetching(tmp_path, address) as opened:
            with pytest.raises(Misconfigured, match="certificate not trusted") as refused:
                found(opened)
            assert "1GrTr1" not in str(refused.value)
        assert sheet.requests == []
        with fetching(tmp_path, address, every=0.05, ca_file="ca.pem") as opened:
            answering(opened, "Ana")
            sheet.redirects["/spreadsheets/d/1GrTr1msgUJ_Nx1boZ4d/export"] = (302, "http://localhost:1/plain")
            eventually(lambda: "another host" in stale(opened), "the refusal")


def test_nothing_secret_is_logged_or_shown(
    sheet: SheetServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "connectors.test")
    with fetching(tmp_path, sheet.url(SECRET), every=0.05) as opened:
        seen: list[str] = []
        for change in ({"status": 500}, {"status": 200, "body": b"x,y\n1,2\n"}, {"body": NEW}, {"tag": False}):
            for name, value in change.items():
                setattr(sheet, name, value)
            sheet.requests.clear()
            eventually(lambda: len(sheet.requests) > 2, "further questions")
            seen += [f"{finding.what} {finding.text}" for finding in opened.probe(Deadline.after(SOON))]
        seen.append(stale(opened))
    text = "\n".join([*seen, caplog.text, *(path.name for path in (tmp_path / ".cache").iterdir())])
    state = next((tmp_path / ".cache").glob("*.fetched.json")).read_text()
    assert not any(secret in text + state for secret in ("K4Y5ECRET", "1GrTr1", "600112233"))


def test_probing_asks_at_once_and_says_what_is_wrong(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv")) as opened:
        sheet.body = NEW
        findings = list(opened.probe(Deadline.after(SOON)))
        assert all(finding.ok for finding in findings)
        assert names(opened) == ["Eva"]
        sheet.status = 403
        [finding] = opened.probe(Deadline.after(SOON))
        assert not finding.ok
        assert "share it" in finding.text


def test_an_emptied_folder_is_filled_again(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        assert names(opened) == ["Ana"]
        for path in (tmp_path / ".cache").iterdir():
            path.unlink()
        sheet.body = NEW
        answering(opened, "Eva")


def test_a_copy_that_can_t_be_kept_is_a_failure(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv")):
        pass
    [copy] = (tmp_path / ".cache").glob("*.fetched")
    copy.unlink()
    copy.mkdir()  # nothing can be put in the place of a folder
    with fetching(tmp_path, sheet.url("/a.csv"), every=0.05) as opened:
        eventually(lambda: "its copy can't be kept" in stale(opened), "the failure")
        assert names(opened) == ["Ana"]


def _failing(opened: CsvConnector, said: str) -> bool:
    try:
        found(opened)
    except Unavailable as error:
        return said in str(error)
    return False


def _process(folder: Path, address: str, ready: Any, done: Any) -> None:
    with fetching(folder, address, every=0.3) as opened:
        ready.put(names(opened))
        done.wait(60)


def test_of_several_processes_one_asks_and_all_know(sheet: SheetServer, tmp_path: Path) -> None:
    held = threading.Event()

    def slow(handler: HttpRequest) -> None:
        held.wait(0.2)
        sheet._usual(handler)

    sheet.answer = slow
    context = forks(__name__)
    ready, done = context.Queue(), context.Event()
    processes = [context.Process(target=_process, args=(tmp_path, sheet.url("/a.csv"), ready, done)) for _ in range(3)]
    for process in processes:
        process.start()
    try:
        assert [ready.get(timeout=60) for _ in processes] == [["Ana"]] * 3
        started, before = time.monotonic(), len(sheet.requests)
        time.sleep(1.5)
        assert len(sheet.requests) - before <= (time.monotonic() - started) / 0.3 + 2
    finally:
        done.set()
        for process in processes:
            process.join(60)
    assert [process.exitcode for process in processes] == [0] * 3


def test_what_nobody_has_used_for_long_is_deleted(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/old.csv")):
        pass
    for path in (tmp_path / ".cache").glob("*.fetched*"):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    sheet.body = NEW
    with fetching(tmp_path, sheet.url("/new.csv")) as opened:
        assert names(opened) == ["Eva"]
    assert [path.read_bytes() for path in (tmp_path / ".cache").glob("*.fetched")] == [NEW]


def test_closing_leaves_no_thread_behind(sheet: SheetServer, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with fetching(tmp_path, sheet.url("/a.csv")):
        pass
    eventually(lambda: not {thread for thread in set(threading.enumerate()) - before if "fetch" in thread.name}, "it")


def test_a_sheet_of_what_comes_as_text_is_a_fault_that_is_said(sheet: SheetServer, tmp_path: Path) -> None:
    with fetching(tmp_path, sheet.url("/a.csv"), table={"sheet": "Clientes"}) as opened:
        [finding] = opened.probe(Deadline.after(SOON))
        assert not finding.ok
        assert "it has no sheet Clientes: delete sheet:" in finding.text
