"""Screen pops by bridges as they run in earnest: one for a call, whatever hosts there are, and nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.simulator.calls import Platform, SimulatedCall, Target, wall_clock
from tests.fakes.presets.zendesk_support import ZendeskSupport
from tests.fakes.rest_crm import RestCrm
from tests.waiting import until
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running

AGENT = "385473779372"
CALLS = 12


@pytest.fixture
def zendesk() -> Iterator[tuple[RestCrm, ZendeskSupport]]:
    with RestCrm() as crm:
        crm.api = api = ZendeskSupport()
        api.person("Ana", "+34600111222")
        yield crm, api


def _serve(closing: ExitStack, folder: Path, crm: RestCrm, api: ZendeskSupport, more: str = "") -> Bridge:
    """A bridge with that CRM, on a database that `more` names."""
    folder.mkdir()
    section = {
        **api.section(crm.url),
        "type": "rest",
        "preset": api.name,
        "rate": None,
        "pop": {"agents": {"101": AGENT}},
    }
    text = (
        f'server: {{url_key: {KEY}, workers: 1, threads: 40}}\nlines: [{{number: "{LINE}", password: "{PASSWORD}"}}]\n'
        f"connectors: {{crm: {json.dumps(section)}}}\nqueries: {{ECO: {{answer: {{X: '1'}}}}}}\n{more}"
    )
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return closing.enter_context(running(folder, work=True))


def _answer(closing: ExitStack, bridge: Bridge, sequence: str) -> None:
    """A call comes in, and 101 answers."""
    target = Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY)
    platform = closing.enter_context(Platform(target))
    call = SimulatedCall("600111222", sequence, diverted="101", start=wall_clock())
    assert platform.event(call, "inicio").good
    assert platform.event(call, "desvio_correcto").good


@pytest.mark.acceptance
def test_two_hosts_on_one_database_open_one_record_for_each_call(
    tmp_path: Path, zendesk: tuple[RestCrm, ZendeskSupport], postgres_url: str
) -> None:
    crm, api = zendesk
    with ExitStack() as closing:
        hosts = [_serve(closing, tmp_path / name, crm, api, f"database: {postgres_url}\n") for name in ("one", "two")]
        for number in range(CALLS):
            for host in hosts:  # the event comes to both
                _answer(closing, host, f"9{number:03}")
        until(lambda: len(api.displayed) >= CALLS, 60)
    assert len(api.displayed) == CALLS
    assert len([path for path in crm.paths() if "display" in path]) == CALLS


@pytest.mark.acceptance
def test_neither_an_event_nor_a_query_waits_for_a_crm_that_hangs(
    tmp_path: Path, zendesk: tuple[RestCrm, ZendeskSupport]
) -> None:
    crm, api = zendesk
    crm.faults.add("hang", "/api/v2/channels", seconds=3600.0)
    with ExitStack() as closing:
        bridge = _serve(closing, tmp_path / "one", crm, api)
        for number in range(CALLS):  # more than may wait for the CRM at once
            _answer(closing, bridge, f"9{number:03}")
        until(lambda: any("display" in path for path in crm.paths()), 60)
        target = Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY)
        platform = closing.enter_context(Platform(target))
        call = SimulatedCall("600111222", "1", diverted="101", start=wall_clock())
        assert platform.query(call, "ECO").good
        assert platform.event(call, "fin").good
        until(lambda: "opened no record" in bridge.log, 60)
        crm.faults.clear()
        _answer(closing, bridge, "2")
        until(lambda: api.displayed, 60)
    assert len([path for path in crm.paths() if "display" in path]) <= CALLS + 1
    assert "600111222" not in bridge.log
