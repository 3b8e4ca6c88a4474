"""The console at an address of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bridge.config.load import load
from bridge.errors import ConfigurationFaults
from bridge.server.serving import CannotServe, claim
from bridge.web.console.sections import Role
from tests.waiting import until
from tests.web.bridge_process import Bridge, answers, query, running, written
from tests.web.console.case import CONFIGURATION, Browser


def _with(keys: str) -> str:
    return CONFIGURATION.replace("server: {", f"server: {{{keys}, ")


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_it_is_there_alone_and_the_platform_is_where_it_was(tmp_path: Path) -> None:
    port = _free()
    (tmp_path / "config.yaml").write_text(_with(f"console_port: {port}"), encoding="utf-8")
    with running(tmp_path) as bridge:
        apart = Bridge(bridge.process, bridge.log_file, bridge.configuration, port)
        until(lambda: answers(apart), 60)
        until(lambda: f"the console listens on http://127.0.0.1:{port}/console/" in bridge.log)
        admin = Browser(apart).sign_in(Role.ADMIN)
        assert admin.get("/console/audit").status_code == 200
        assert admin.post("/console/lines/pause", {"line": "912345678"}).status_code == 303
        assert "http://127.0.0.1:8080/infocaller/" in admin.get("/console/connect").text
        body, form = written(query())
        assert bridge.post("query", body, form).status == 200
        for path in ("/console/", "/console/login", "/console/static/console.css"):
            assert bridge.ask("GET", path).status == 404
        assert apart.post("query", body, form).status == 404
        for path in ("/metrics", "/readyz", "/callbacks/web", "/"):
            assert apart.ask("GET", path).status == 404
        assert "unguessable-part-of-the-url" not in bridge.log
    assert not answers(apart)


def test_a_port_that_somebody_has_is_said_by_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotServe, match=rf"port {port} of 127.0.0.1 is in use: .*set server.console_port to another"
        ):
            claim("127.0.0.1", port, "console_")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [("port: 8081, console_port: 8081", "server.console_port: is server.port"),
     ("console_host: 127.0.0.1", "server.console_host: counts only beside console_port"),
     ("console_port: 0", "server.console_port"), ('console_port: 8081, console_host: " "', "write an address")],
)  # fmt: skip
def test_what_can_not_be_is_a_fault(tmp_path: Path, keys: str, fault: str) -> None:
    (tmp_path / "config.yaml").write_text(_with(keys), encoding="utf-8")
    with pytest.raises(ConfigurationFaults) as faults:
        load(tmp_path / "config.yaml", {})
    assert fault in str(faults.value)
