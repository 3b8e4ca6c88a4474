"""The console opens while PostgreSQL is away, says so, and goes on when it is back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.web.console.sections import Role
from tests.fakes.proxy import Proxy
from tests.web.bridge_process import running, until
from tests.web.console.case import CONFIGURATION, Browser, words


@pytest.mark.parametrize("how", ["away", pytest.param("swallow", marks=pytest.mark.acceptance)])
def test_it_opens_without_the_database_and_says_so(tmp_path: Path, postgres_url: str, how: str) -> None:
    parts = urlsplit(postgres_url)
    with Proxy(parts.hostname or "127.0.0.1", parts.port or 5432) as proxy:
        url = parts._replace(netloc=f"{(parts.netloc.rpartition('@')[0] + '@').lstrip('@')}127.0.0.1:{proxy.port}")
        text = CONFIGURATION + f"database: {url.geturl()}\n"
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        with running(tmp_path) as bridge:
            before = Browser(bridge).sign_in(Role.OPERATOR)
            getattr(proxy, how)()
            page = before.get("/console/")
            assert page.status_code == 200
            assert "The database can't be used now" in words(page)
            assert "ERROR" in words(page)
            assert before.post("/console/lines/pause", {"line": "912345678"}).status_code == 503
            meanwhile = Browser(bridge).sign_in(Role.ADMIN)
            assert meanwhile.get("/console/").status_code == 200
            assert meanwhile.get("/console/audit").status_code == 503
            ended = Browser(bridge).sign_in(Role.VIEWER)
            kept = ended.cookies["console_session"]
            assert ended.post("/console/logout").status_code == 303
            ended.set_cookie("console_session", kept)
            assert ended.get("/console/").status_code == 303
            proxy.back()
            until(lambda: "can't be used" not in words(before.get("/console/")))
            assert before.post("/console/lines/pause", {"line": "912345678"}).status_code == 303
            assert meanwhile.get("/console/audit").status_code == 200
