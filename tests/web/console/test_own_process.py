"""The process that makes the console's pages."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from bridge.web.console.sections import Role
from tests.waiting import until
from tests.web.bridge_process import Bridge, answers, is_running, query, running, written
from tests.web.console.case import CONFIGURATION, USERS, Browser, words

LOOKUP = '{find: {contact: {in: shop, phone: "{{ caller }}"}}, answer: {X: "1"}}'


def _asked(bridge: Bridge) -> int:
    body, form = written(query())
    return bridge.post("query", body, form).status


def test_it_comes_when_somebody_asks_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION.replace(USERS, ""), encoding="utf-8")
    with running(tmp_path) as bridge:
        browser, before = Browser(bridge), bridge.tree
        assert browser.get("/console/").status_code == 404
        assert bridge.tree == before
        (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
        until(lambda: browser.get("/console/login").status_code == 200, 60)
        browser.sign_in(Role.ADMIN)
        (apart,) = set(bridge.tree) - set(before)
        assert os.getpriority(os.PRIO_PROCESS, apart) > os.getpriority(os.PRIO_PROCESS, bridge.process.pid)

        os.kill(apart, signal.SIGSTOP)  # whatever it does, it holds up nobody on the line
        assert _asked(bridge) == 200
        os.kill(apart, signal.SIGKILL)
        until(lambda: browser.get("/console/audit").status_code == 200, 60)
        assert _asked(bridge) == 200
        (again,) = set(bridge.tree) - set(before)
        assert again != apart
        until(lambda: "the console ended with code -9" in bridge.log)

        os.kill(bridge.process.pid, signal.SIGKILL)
        until(lambda: not is_running(again), 60)


def test_it_ends_with_the_bridge_and_shows_what_the_others_met(tmp_path: Path) -> None:
    configuration = CONFIGURATION.replace('{answer: {X: "1"}}', LOOKUP)
    configuration = configuration.replace("    base_url:", "    breaker: {failures: 1}\n    base_url:")
    (tmp_path / "config.yaml").write_text(configuration, encoding="utf-8")
    with running(tmp_path) as bridge:
        before = bridge.tree
        browser = Browser(bridge).sign_in(Role.ADMIN)
        assert "shop rest answers" in words(browser.get("/console/"))
        _asked(bridge)
        until(lambda: "shop rest does not answer" in words(browser.get("/console/")), 60)
        (apart,) = set(bridge.tree) - set(before)
    assert not is_running(apart)
    assert not answers(bridge)
