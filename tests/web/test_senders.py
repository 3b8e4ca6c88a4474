"""Senders that are not known yet, and the file that would tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.service.composition import Current, Service
from bridge.service.metrics import Metrics
from bridge.troubles import Troubles
from bridge.web.entry import AccessLogEntry
from bridge.web.gate import AccessPolicies
from bridge.web.guessing import Guessing
from bridge.web.infocaller import Infocaller
from bridge.web.ratelimit import Failures
from bridge.web.receive import Receiver
from bridge.web.request import RawRequest
from connectors.steps import complete
from tests.config.files import loaded
from tests.waiting import until
from tests.web.bridge_process import query, written

CONFIGURATION = """
lines: [{number: "912345678", password: "3956"}]
queries: {ECO: {answer: {ECO: "{{ vars.DATO }}"}}}
"""


class HungDisk(Guessing):
    """Its file answers when `again` is set."""

    def __init__(self, again: threading.Event) -> None:
        super().__init__()
        self._again = again

    def closed(self, sender: str) -> float | None:
        self._again.wait(30)
        return super().closed(sender)


@pytest.fixture
def again() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_disk_that_hangs_leaves_no_sender_without_an_answer(tmp_path: Path, again: threading.Event) -> None:
    current, metrics, troubles = Current(Service.open(loaded(tmp_path, CONFIGURATION))), Metrics(), Troubles()
    routes = Infocaller(metrics, None, troubles).routes()
    receiver = Receiver(
        current, AccessPolicies(current), routes, Failures(), metrics, troubles, HungDisk(again), patience=0.1
    )

    def status() -> int:
        body, content_type = written(query())
        entry = AccessLogEntry("POST", "", "203.0.113.9")
        headers = {b"content-type": content_type.encode()}
        raw = RawRequest("POST", "/infocaller/query", b"", headers, "203.0.113.9", 0.0, entry, body)
        return complete(receiver.answer(raw, receiver.admit(raw))).status

    with closing(current), closing(receiver):
        assert [status() for _ in range(6)] == [503] * 6
        again.set()
        until(lambda: status() == 200)  # the threads come back, and a busy machine is late again
