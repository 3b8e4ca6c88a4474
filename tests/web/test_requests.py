"""What the platform, and whoever else finds the URLs, is answered."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner
from lxml import etree
from msgspec.structs import replace

from bridge.cli.check import urls
from bridge.infocaller.messages import Format, StatusEvent
from bridge.troubles import Troubles
from tests.web.bridge_process import (
    CALLER,
    CONFIGURATION,
    KEY,
    LINE,
    PASSWORD,
    Bridge,
    Reply,
    answers,
    betrays,
    query,
    running,
    until,
    written,
)

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(8))
    + b"]><ApiCall>&h;</ApiCall>"
)
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><ApiCall><UserID>&x;</UserID></ApiCall>'


def said(reply: Reply) -> tuple[str, str]:
    """Result and ResultText, whichever the format; the Content-Type has to be what the body really is."""
    if reply.headers["content-type"] == "text/xml; charset=ISO-8859-1":
        root = etree.fromstring(reply.text.encode("iso-8859-1"))
        names = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
        return names["Result"], names["ResultText"]
    assert reply.headers["content-type"] == "application/json"
    status = json.loads(reply.text)["ApiCall"]["Status"]
    return status["Result"], status["ResultText"]


def variables(reply: Reply) -> dict[str, str]:
    return {pair["VarName"]: pair["VarValue"] for pair in json.loads(reply.text)["ApiCall"]["CustVars"]["CustVar"]}


def test_a_query_is_answered_about_its_caller(bridge: Bridge) -> None:
    reply = bridge.post("query", *written(query()))
    assert reply.status == 200
    assert said(reply)[0] == "0"
    assert variables(reply) == {"ECO": "dicho", "QUIEN": "+34600111222", "LINEA": LINE}


def test_an_xml_query_is_answered_in_xml(bridge: Bridge) -> None:
    reply = bridge.post("query", *written(query(), Format.XML))
    assert reply.status == 200
    assert "<VarName>ECO</VarName><VarValue>dicho</VarValue>" in reply.text
    assert said(reply)[0] == "0"


def test_the_url_may_name_the_query(bridge: Bridge) -> None:
    reply = bridge.post("query/eco", *written(query("OTRA")))
    assert variables(reply)["ECO"] == "dicho"


@pytest.mark.parametrize(("length", "status"), [(128, 200), (129, 400), (10_000, 400)])
def test_a_call_is_known_by_128_characters_at_most(bridge: Bridge, length: int, status: int) -> None:
    reply = bridge.post("query", *written(query(call="9" * length)))
    assert reply.status == status
    assert said(reply)[0] == ("0" if status == 200 else "400")


def test_a_configured_result_goes_out(bridge: Bridge) -> None:
    assert said(bridge.post("query", *written(query("FALLO")))) == ("3", "no hay")


@pytest.mark.parametrize("form", list(Format))
def test_an_unknown_query_is_answered_with_the_reason(bridge: Bridge, form: Format) -> None:
    reply = bridge.post("query", *written(query("NADA"), form))
    result, text = said(reply)
    assert reply.status == 200
    assert result != "0"
    assert "NADA" in text


@pytest.mark.parametrize(
    ("body", "content_type", "form"),
    [
        (b"{{{", "application/json", "json"),
        (b"", "application/json", "json"),
        (b"", "text/xml", "xml"),
        (b"apiInfocaller=%7B%7B%7B", "application/x-www-form-urlencoded", "json"),
        (b"apiInfocaller=%3CApiCall%3E", "application/x-www-form-urlencoded", "xml"),
        (b"<ApiCall>", "application/json", "xml"),
        (b"\xff\xfe\x00\x01", "", "json"),
        (b"other=1", "application/x-www-form-urlencoded", "json"),
        (BOMB, "text/xml", "xml"),
        (EXTERNAL, "text/xml", "xml"),
        (b"[" * 60_000, "application/json", "json"),
        (b'{"a":' * 40_000, "application/json", "json"),
        (b"<a>" * 60_000, "text/xml", "xml"),
    ],
)
def test_what_cannot_be_read_is_a_400_in_the_format_that_it_seems_to_be(
    bridge: Bridge, body: bytes, content_type: str, form: str
) -> None:
    reply = bridge.post("query", body, content_type)
    assert reply.status == 400
    assert form in reply.headers["content-type"]
    result, text = said(reply)
    assert result == "400"
    assert text


def test_an_unknown_line_is_named(bridge: Bridge) -> None:
    reply = bridge.post("query", *written(query(line="DATO")))
    assert reply.status == 401
    assert said(reply) == ("401", "line DATO is not in the configuration")


def test_a_wrong_signature_is_401_and_tells_no_password(bridge: Bridge) -> None:
    reply = bridge.post("query", *written(query(), password="3957"))
    assert reply.status == 401
    assert said(reply)[0] == "401"
    assert not betrays(reply.text)


@pytest.mark.parametrize(
    "path",
    [
        "/infocaller/query",
        f"/infocaller/{KEY}x/query",
        f"/infocaller/{KEY[:-1]}/query",
        f"/infocaller/{KEY}",
        f"/infocaller/{KEY}/",
        f"/infocaller/{KEY}/nothing",
        f"/infocaller//{KEY}/query",
        f"/infocaller/{KEY}/event",
        f"/infocaller/{KEY}/event/ayer",
        f"/infocaller/{KEY}/event?eve=ayer",
        "/infocaller/%ff%00/query",
    ],
)
def test_whatever_is_not_a_url_of_the_platform_is_404(bridge: Bridge, path: str) -> None:
    reply = bridge.post(path, *written(query()))
    assert reply.status == 404
    assert said(reply)[0] == "404"
    assert KEY not in reply.text


def test_a_wrong_key_cannot_be_told_from_a_wrong_url(bridge: Bridge) -> None:
    wrong_key = bridge.ask("GET", "/infocaller/another-unguessable-key/query")
    wrong_url = bridge.ask("GET", f"/infocaller/{KEY}/nothing")
    assert (wrong_key.status, wrong_key.text) == (wrong_url.status, wrong_url.text)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_only_post_is_served_and_a_browser_is_told_so(bridge: Bridge, method: str) -> None:
    reply = bridge.ask(method, "query")
    assert reply.status == 405
    assert said(reply)[0] == "405"
    assert "POST" in reply.headers["allow"]


def test_a_get_says_that_the_url_is_right(bridge: Bridge) -> None:
    assert "this URL is right" in bridge.ask("GET", "event/fin").text


@pytest.mark.parametrize("path", ["/", "/nothing", "/infocaller", "/favicon.ico"])
def test_elsewhere_there_is_nothing_and_no_html_says_so(bridge: Bridge, path: str) -> None:
    reply = bridge.ask("GET", path)
    assert reply.status == 404
    assert json.loads(reply.text) == {"error": "there is nothing at this URL"}


@pytest.mark.parametrize("form", list(Format))
def test_an_event_is_acknowledged_in_its_own_format(bridge: Bridge, form: Format) -> None:
    for path in ("event/fin", "event/FIN", "event?eve=desvio", "event/desvio-correcto?desvio=[_NumDesvio]"):
        reply = bridge.post(path, *written(query(), form))
        assert (reply.status, said(reply)) == (200, ("0", "OK"))


def test_an_event_of_a_size_that_no_platform_sends_is_400(bridge: Bridge) -> None:
    assert bridge.post("event/fin", *written(query(call="9" * 5_000))).status == 400


def test_an_event_that_cannot_be_kept_is_not_acknowledged_and_queries_are_answered(tmp_path: Path) -> None:
    """The database is a file that is no database."""
    (tmp_path / "bridge.db").write_bytes(b"no database at all" * 1000)
    with running(tmp_path) as bridge:
        event = bridge.post("event/fin", *written(query(), Format.XML))
        answered = bridge.post("query", *written(query()))
        ready = bridge.ask("GET", "/readyz")
    assert (event.status, said(event)[0]) == (503, "503")
    assert (answered.status, said(answered)[0]) == (200, "0")
    assert ready.status == 503


def test_alive_and_ready(bridge: Bridge) -> None:
    assert json.loads(bridge.ask("GET", "/healthz").text) == {"status": "ok"}
    ready = bridge.ask("GET", "/readyz")
    assert (ready.status, json.loads(ready.text)["status"]) == (200, "ready")


def test_metrics_add_up_over_the_processes(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        for _ in range(30):
            bridge.post("query", *written(query()))
        bridge.post("query", *written(query(), password="0000"))
        text = bridge.ask("GET", "/metrics").text
    assert 'infocaller_requests_total{route="query",status="200"} 30.0' in text
    assert 'infocaller_query_seconds_count{outcome="found",query="ECO"} 30.0' in text
    assert "infocaller_signature_failures_total 1.0" in text
    assert not list(tmp_path.glob("infocaller-bridge-*"))


def test_what_a_process_counted_stays_counted_when_it_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        for _ in range(10):
            bridge.post("query", *written(query()))
        victim = bridge.serving[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in bridge.tree and len(bridge.serving) == 2)
        until(lambda: answers(bridge))
        for _ in range(10):
            bridge.post("query", *written(query()))
        text = bridge.ask("GET", "/metrics").text
    assert 'infocaller_query_seconds_count{outcome="found",query="ECO"} 20.0' in text
    assert not list(tmp_path.glob("infocaller-bridge-*"))


def test_metrics_are_for_this_machine_or_for_who_has_the_token(bridge: Bridge, tmp_path: Path) -> None:
    assert bridge.ask("GET", "/metrics").status == 200
    assert bridge.ask("GET", "/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status == 401
    with running(tmp_path, "  metrics_token: a-token-for-prometheus-alone") as guarded:
        assert guarded.ask("GET", "/metrics").status == 401
        assert guarded.ask("GET", "/metrics", headers={"Authorization": "Bearer wrong"}).status == 401
        token = {"Authorization": "bearer a-token-for-prometheus-alone"}
        assert guarded.ask("GET", "/metrics", headers=token).status == 200


def test_only_allowed_addresses_come_in(tmp_path: Path) -> None:
    server = "  allowed_ips: [203.0.113.0/24, '2001:db8::/32']\n  trusted_proxies: [127.0.0.1]"
    expected = {
        "203.0.113.9": 200,
        "198.51.100.1, 203.0.113.9": 200,
        "203.0.113.9, 198.51.100.1": 403,
        "2001:db8::1": 200,
        "::ffff:203.0.113.9": 200,
        "203.0.113.9:4711": 200,
        "unknown": 403,
        "203.0.113.9, unknown": 403,
        "": 403,
    }
    with running(tmp_path, server) as bridge:
        got = {
            header: bridge.post("query", *written(query()), headers={"X-Forwarded-For": header}).status
            for header in expected
        }
        body, kind = written(query())
        for lines, status in {("203.0.113.9", "198.51.100.1"): 403, ("198.51.100.1", "203.0.113.9"): 200}.items():
            with bridge.raw() as connection:  # a proxy that adds a line of its own
                more = "".join(f"X-Forwarded-For: {line}\r\n" for line in lines)
                head = f"POST /infocaller/{KEY}/query HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{more}"
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                assert int(connection.recv(4096)[9:12]) == status
        refused = bridge.post("query", *written(query(), Format.XML))
        alive = bridge.ask("GET", "/healthz").status
    assert got == expected
    assert said(refused)[0] == "403"
    assert alive == 200


def test_too_many_wrong_signatures_are_turned_away_but_a_right_one_never_is(tmp_path: Path) -> None:
    """Where the address had a right one before."""
    with running(tmp_path, "  allowed_ips: [127.0.0.1]") as bridge:
        assert bridge.post("query", *written(query())).status == 200
        wrong = [bridge.post("query", *written(query(), password="0000")) for _ in range(61)]
        right = [bridge.post("query", *written(query())).status for _ in range(20)]
    assert [reply.status for reply in wrong[:30]] == [401] * 30
    late = next(reply for reply in wrong if reply.status == 429)  # each of the two processes lets 30 pass
    assert right == [200] * 20
    assert said(late)[0] == "429"
    assert 0 < int(late.headers["retry-after"]) <= 61


def test_who_guesses_is_closed_for_right_ones_too_and_nobody_else_is(tmp_path: Path) -> None:
    """With two processes that count together, over a restart, and by the client's address behind a proxy."""
    with running(tmp_path, "  trusted_proxies: [127.0.0.1]") as bridge:

        def asked(client: str, password: str = PASSWORD) -> Reply:
            body, kind = written(query(), password=password)
            return bridge.post("query", body, kind, {"X-Forwarded-For": client})

        assert asked("203.0.113.9").status == 200
        tries = [asked("203.0.113.7", f"{number:04}").status for number in range(30)]
        refused = asked("203.0.113.7")
        known = [asked("203.0.113.9", "0000").status for _ in range(25)]
        assert asked("203.0.113.9").status == asked("203.0.113.8").status == 200
    assert tries == [401] * 20 + [429] * 10
    assert said(refused)[0] == "429"
    assert 800 < int(refused.headers["retry-after"]) <= 901
    assert known == [401] * 25
    with running(tmp_path) as bridge:
        assert asked("203.0.113.7").status == 429
        assert asked("203.0.113.9").status == 200
        troubles = {trouble.id: trouble for trouble in Troubles(tmp_path / ".infocaller-bridge").all()}
    assert troubles["guessing:203.0.113.7"].count >= 11
    assert "change server.url_key" in str(troubles["guessing:203.0.113.7"].action)


def test_a_refused_line_and_an_unknown_one_are_troubles_and_a_right_signature_ends_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:

        def known() -> set[str]:
            return {trouble.id for trouble in Troubles(tmp_path / ".infocaller-bridge").all()}

        for _ in range(3):
            bridge.post("query", *written(query(), password="0000"))
            bridge.post("query", *written(query(line="911222333")))
        until(lambda: known() >= {f"signature:{LINE}", "unknown_line"})
        # whichever process hears it has to have read by then that there is such a trouble
        until(lambda: bridge.post("query", *written(query())).status == 200 and f"signature:{LINE}" not in known())


def test_a_wrong_key_is_a_trouble_and_an_error_if_the_platform_has_it(tmp_path: Path) -> None:
    with running(tmp_path, "  trusted_proxies: [127.0.0.1]") as bridge:
        body, kind = written(query())

        def ask(key: str, sender: str) -> int:
            return bridge.post(f"/infocaller/{key}/query", body, kind, {"X-Forwarded-For": sender}).status

        def severity(least: int = 1) -> str:
            told = [one for one in Troubles(tmp_path / ".infocaller-bridge").all() if one.id == "url_key"]
            return "".join(trouble.severity for trouble in told if trouble.count >= least)

        for _ in range(5):
            bridge.post("/infocaller/wp-admin/nothing", body, kind)  # as strangers do
        assert [ask("an-earlier-key", "198.51.100.1") for _ in range(3)] == [404] * 3
        until(lambda: severity() == "warning")
        for _ in range(20):  # every process has seen that this one is the platform
            ask(KEY, "203.0.113.9")
        assert [ask("an-earlier-key", "203.0.113.9") for _ in range(6)] == [404] * 6
        until(lambda: severity(9) == "error")


def test_the_right_key_from_an_address_that_is_not_allowed_is_a_trouble(tmp_path: Path) -> None:
    with running(tmp_path, "  trusted_proxies: [127.0.0.1]\n  allowed_ips: [203.0.113.9]") as bridge:
        body, kind = written(query())
        for key in (KEY, "another-key"):
            for _ in range(3):
                sender = {"X-Forwarded-For": "198.51.100.1"}
                assert bridge.post(f"/infocaller/{key}/query", body, kind, sender).status == 403
        until(lambda: [(one.id, one.count) for one in Troubles(tmp_path / ".infocaller-bridge").all()])
        (trouble,) = Troubles(tmp_path / ".infocaller-bridge").all()
    assert (trouble.id, trouble.severity, trouble.count) == ("address", "error", 3)
    assert "198.51.100.1" in str(trouble.text)


def test_one_of_two_keys_will_do_and_no_third(tmp_path: Path) -> None:
    configuration = CONFIGURATION.replace("${BRIDGE_URL_KEY}", "[the-new-key-of-the-url, '${BRIDGE_URL_KEY}']")
    configuration = configuration % "  metrics_token: [the-first-of-them, the-second-of-them]"
    (tmp_path / "config.yaml").write_text(configuration)
    with running(tmp_path) as bridge:
        keys = [KEY, "the-new-key-of-the-url", f"{KEY}x", "the-new-key-of-the-url,", ""]
        got = [bridge.post(f"/infocaller/{key}/query", *written(query())).status for key in keys]
        tokens = ["the-first-of-them", "the-second-of-them", "another", ""]
        read = [bridge.ask("GET", "/metrics", b"", {"Authorization": f"Bearer {token}"}).status for token in tokens]
        log = bridge.log
    assert got == [200, 200, 404, 404, 404]
    assert read == [200, 200, 401, 401]
    assert KEY not in log
    assert "the-new-key-of-the-url" not in log
    printed = CliRunner().invoke(
        urls,
        ["-c", str(tmp_path / "config.yaml"), "--base", "https://x"],
        env={"BRIDGE_URL_KEY": KEY, "INFOCALLER_PASSWORD": PASSWORD},
    )
    assert "/infocaller/the-new-key-of-the-url/query/ECO" in printed.output
    assert KEY not in printed.output


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:9090"}, 200),
        ({"Host": "[::1]:9090"}, 200),
        ({"Host": "bridge.localhost"}, 200),
        ({"Host": "rebound.example.com"}, 401),
        ({"Host": "127.0.0.1.example.com"}, 401),
        ({"Host": "localhost.example.com"}, 401),
        ({"Host": "203.0.113.7:8080"}, 401),
        ({"X-Forwarded-Host": "x"}, 401),
        ({"CF-Connecting-IP": "203.0.113.7"}, 401),
    ],
)
def test_metrics_are_read_from_this_machine_by_its_own_names_alone(
    bridge: Bridge, headers: dict[str, str], status: int
) -> None:
    assert bridge.ask("GET", "/metrics", b"", headers).status == status


def test_an_event_type_of_any_length_keeps_the_event(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION % "" + "sensitive: [PIN]\n")
    with running(tmp_path) as bridge:
        body, kind = written(replace(query(), status=(StatusEvent(4, None, "PIN", ("1234", "", "", "", "")),)))
        assert b"EventType%22%3A+%224%22" in body
        long = body.replace(b"EventType%22%3A+%224%22", b"EventType%22%3A+%22" + b"9" * 5000 + b"%22")
        reply = bridge.post("event/fin", long, kind)
    assert reply.status == 200


def test_the_log_holds_no_secret_no_number_and_no_line_of_a_strangers_making(tmp_path: Path) -> None:
    with running(tmp_path) as bridge:
        for form in Format:
            bridge.post("query?caller=600111222&uuid=x", *written(query(), form))
            bridge.post("query/+34600111222", *written(query(), form))
            bridge.post("query", *written(query(f"{CALLER}\nlevel=error"), form))
            bridge.post("query", *written(query(), form, password="0000"))
            bridge.post("query", *written(query(line="600111222"), form))
            bridge.post("event/fin", *written(query(), form))
        bridge.post("query", b"{{{600111222")
        bridge.post(f"/infocaler/{KEY}/query", b"")
        bridge.post("/infocaller/600111222/query%0Alevel=error", b"")
        bridge.ask("GET", "/600111222%0d%0alevel=error")
        until(lambda: bridge.log.count("message=request") >= 16)
        log = bridge.log
    assert KEY not in log
    assert CALLER not in log
    assert LINE not in log
    assert "Traceback" not in log
    assert "level=error" not in [line.split(" ")[0] for line in log.splitlines()]
    assert all(line.startswith("time=") for line in log.splitlines())
    answered = next(line for line in log.splitlines() if "outcome=found" in line)
    for part in ("method=POST", "path=/infocaller/•••/query", "status=200", "query=ECO", "line=•••678", "result=0"):
        assert part in answered
    assert "call=98565656" in answered
    assert "caller=•••222" in answered


def test_the_log_may_be_json_lines(tmp_path: Path) -> None:
    with running(tmp_path, "  log: json") as bridge:
        bridge.post("query", *written(query()))
        until(lambda: '"query": "ECO"' in bridge.log)
        lines = [json.loads(line) for line in bridge.log.splitlines()]
    answered = next(line for line in lines if line.get("query") == "ECO")
    assert answered["status"] == 200
    assert answered["caller"] == "•••222"


def test_an_address_that_is_not_allowed_is_told_before_its_request_has_come(tmp_path: Path) -> None:
    with running(tmp_path, "  allowed_ips: [203.0.113.0/24]") as bridge, bridge.raw() as connection:
        connection.sendall(f"POST /infocaller/{KEY}/query HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")
