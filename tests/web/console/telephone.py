"""A bridge whose calls are played by a simulated platform: its callers are known by hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.simulator.calls import Platform, SimulatedCall, Target, wall_clock
from tests.web.bridge_process import KEY, LINE, PASSWORD, Bridge, running
from tests.web.console.case import USERS

KNOWN, STRANGER = "600111222", "699000111"
NAME = "<script>alert('Ana García')</script>"
CONFIGURATION = f"""
server: {{url_key: {KEY}, workers: 1, threads: 40}}
sensitive: [PIN]
lines: [{{number: "{LINE}", password: "{PASSWORD}", extensions: ["101", "102"]}}]
connectors:
  crm:
    type: csv
    tables:
      contact: {{file: contacts.csv, phones: [phone]}}
      survey: {{file: survey.csv}}
    link: "https://crm.example.com/{{{{ record.id }}}}"
    activities: {{file: activities.csv}}
activities: [{{in: crm}}]
queries:
  DESVIO:
    find: {{contact: {{in: crm, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "{{{{ contact.agent }}}}", NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{DESTINO: "102"}}
  ENCUESTA:
    save: {{in: crm, table: survey, fields: {{phone: "{{{{ caller.e164 }}}}", score: "{{{{ vars.NOTA }}}}"}}}}
    answer: {{GUARDADO: "1"}}
{USERS}
"""


@contextmanager
def telephone(folder: Path) -> Iterator[tuple[Bridge, Platform]]:
    """One that serves and works, and the platform in front of it."""
    (folder / "contacts.csv").write_text(f"id,phone,name,agent\n7,{KNOWN},{NAME},101\n", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with (
        running(folder, work=True) as bridge,
        Platform(Target(f"http://127.0.0.1:{bridge.port}", LINE, PASSWORD, KEY)) as platform,
    ):
        yield bridge, platform


def ring(platform: Platform, sequence: str, caller: str = KNOWN, **more: object) -> SimulatedCall:
    """A call comes in and asks where to."""
    usual = {"variables": {"NOTA": "9", "PIN": "987654", "TEXTO": NAME}, "diverted": "101", "start": wall_clock()}
    call = SimulatedCall(caller, sequence, **{**usual, **more})  # type: ignore[arg-type]  # the test names them
    assert platform.event(call, "inicio").good
    assert platform.query(call, "DESVIO").good
    return call
