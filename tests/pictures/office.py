"""A furniture shop with a bridge, at one moment that is always the same: people, a CRM, files, and a month of calls."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from os import environ
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from bridge.callbacks import CallbackState
from bridge.config.load import load
from bridge.reports.keeping import count_some
from bridge.simulator.calls import Exchange, Platform, SimulatedCall, Target
from bridge.store import audit, calls, deliveries, queries
from bridge.store.audit import AuditEntry
from bridge.store.callbacks import key_of
from bridge.store.calls import Call, CallState
from bridge.store.database import Database
from bridge.store.deliveries import NewDelivery, Took
from bridge.store.folded import Diversion, FoldedCall
from bridge.store.queries import StoredQuery, TrailStep
from bridge.store.schema import connect
from bridge.store.tables import callbacks, events
from tests.acceptance.processes import ready
from tests.clock import Clock
from tests.fakes.rest_crm import RestCrm, customer
from tests.ports import free_port
from tests.waiting import until

LINE, PASSWORD, KEY = "912345678", "3956", "clave-que-nadie-adivina"
ZONE = ZoneInfo("Europe/Madrid")
NOON = datetime(2026, 12, 1, 12, 10, tzinfo=ZONE)
"""When the pages are looked at: a Tuesday."""
MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=ZONE)
PEOPLE = {
    number: (f"{id_}", name)
    for id_, (number, name) in enumerate(
        {
            "600111222": "Ana Ruiz Campos", "600111223": "Luis Peña Mora", "600111224": "Carmen Gil Soto",
            "600111225": "Talleres Ibarra, S.L.", "600111226": "Marta Vidal Roca", "600111227": "Jorge Núñez Sanz",
            "600111228": "Pilar Otero Lago", "600111229": "Hotel Miramar", "600111230": "Íñigo Arce Bilbao",
            "600111231": "Rosa Ferrer Puig", "600111232": "Comunidad Sol, 14", "600111233": "Andrés León Prieto",
        }.items(),
        41,
    )
}  # fmt: skip
"""Customers by their number: id and name."""
SUBJECTS = ("Pedido listo para recoger", "Confirmar la entrega", "Presupuesto aceptado")
_CALLED = 9
"""Of the people, so many were called this morning."""
STRANGERS = ("600222301", "600222302", "600222303", "600222304")
CONFIGURATION = """# Muebles Campos: a line, the CRM, a file of orders.
language: {language}
server:
  port: {port}
  url_key: {key}
  workers: 1
  threads: 40

console:
  url: https://centralita.example.com
  users: [{{name: ana, password: ana-secret-1, role: admin}}]

lines:
  - number: "912345678"
    password: "3956"
    timezone: Europe/Madrid
    extensions: ["101", "102", "103", "104"]

connectors:
  crm:
    type: rest
    base_url: {crm}
    timeout: 3s
    link: "https://crm.example.com/contacts/{{{{ record.id }}}}"
    records:
      contact:
        search: {{path: /customers, params: {{q: "{{{{ phone.national }}}}"}}}}
        items: data
        phones: [phone, mobile]
        fields: {{id: id, name: full_name}}
    activity:
      find: {{path: /calls, params: {{key: "{{{{ activity.key }}}}"}}, items: data, key: key}}
      create:
        path: /calls
        json: {{key: "{{{{ activity.key }}}}", subject: "{{{{ activity.subject }}}}", note: "{{{{ activity.note }}}}"}}
      update: {{path: "/calls/{{{{ found.id }}}}", json: {{note: "{{{{ activity.note }}}}"}}}}
  files:
    type: csv
    tables:
      order: {{file: pedidos.csv, key: numero}}
      new: {{file: altas.csv, phones: [telefono]}}
    tasks: {{file: llamar.csv}}

queries:
  DESVIO: # whom to put the caller through to
    find: {{contact: {{in: crm, phone: "{{{{ caller }}}}"}}}}
    answer: {{DESTINO: "102", NOMBRE: "{{{{ contact.name }}}}"}}
    not_found: {{DESTINO: "101"}}
  PEDIDO: # how far the order is whose number was keyed in
    find: {{order: {{in: files, key: "{{{{ vars.PEDIDO }}}}"}}}}
    answer: {{ESTADO: "{{{{ order.estado }}}}", FECHA: "{{{{ order.entrega }}}}"}}
    not_found: {{ESTADO: "DESCONOCIDO"}}
  ALTA: # a customer of this week?
    find: {{new: {{in: files, phone: "{{{{ caller }}}}"}}}}
    answer: {{TARIFA: "{{{{ new.tarifa }}}}"}}
    not_found: {{TARIFA: "NORMAL"}}

activities:
  - in: crm

callbacks:
  - from: files
    line: "912345678"
    rule_group: callbacks

tests:
  - ask: PEDIDO
    vars: {{PEDIDO: "00077"}}
    answer: {{ESTADO: "Enviado", FECHA: "2026-12-02"}}
"""
ORDERS = """numero;cliente;estado;entrega
00077;41;Enviado;2026-12-02
00078;43;En taller;2026-12-11
00081;45;Preparado;2026-12-01
"""
NEW = """nombre;telefono;tarifa
Olga Prats;600222301;ALTA
Bar Estrella;600222302;ALTA
"""


@dataclass
class Office:
    """The shop while its bridge serves. `now`: what its clock showed when it started."""

    folder: Path
    config: Path
    crm: RestCrm
    target: Target
    now: datetime
    shown: Clock
    started: float

    @property
    def clock(self) -> datetime:
        """What the bridge's clock shows."""
        return self.now + timedelta(seconds=time.monotonic() - self.started)

    def later(self, seconds: int) -> None:
        """Have the clock show so many more."""
        self.now += timedelta(seconds=seconds)
        self.shown.jump(_ahead(self.clock))

    @property
    def base(self) -> str:
        """Where the console is."""
        return self.target.base

    def query(self, name: str, caller: str, password: str = PASSWORD, **variables: str) -> Exchange:
        """A Query of a call that goes on."""
        call = SimulatedCall(caller, f"98{random.Random(f'{name}{caller}').randrange(10**6):06}", variables=variables)
        with Platform(replace(self.target, password=password)) as platform:
            return platform.query(replace(call, start=self.clock.replace(tzinfo=None)), name)

    def call(self, caller: str, sequence: str, *queries: str, ends: bool = True, password: str = PASSWORD) -> Exchange:
        """A call with its Queries, put through to an extension; the last thing that was answered to it."""
        start = self.clock.replace(tzinfo=None)
        call = SimulatedCall(caller, sequence, diverted="102", seconds=95, start=start, queries=queries)
        with Platform(replace(self.target, password=password)) as platform:
            last = platform.event(call, "inicio")
            for name in queries:
                keyed = replace(call, variables={"PEDIDO": "00077"} if name == "PEDIDO" else {})
                platform.query(keyed, name)
                call = replace(call, variables={**call.variables, **keyed.variables})
            last = platform.event(call, "desvio_correcto")
            return platform.event(call, "fin") if ends else last


@contextmanager
def office(folder: Path, language: str, now: datetime, beside: Path, *, calls_back: bool) -> Iterator[Office]:
    """The shop with its bridge, while the clock shows `now` and goes on from there; at home in `folder`. `beside`: a
    folder for what is not the bridge's own. `calls_back`: with callbacks, one of which may have rung."""
    with ExitStack() as stack:
        crm = stack.enter_context(RestCrm(port=free_port(), delay=0.04))
        crm.store.fuzzy = False
        crm.store.customers = [customer(int(id_), name, number) for number, (id_, name) in PEOPLE.items()]
        port = free_port()
        config = folder / "config.yaml"
        config.write_text(CONFIGURATION.format(language=language, port=port, key=KEY, crm=crm.url), encoding="utf-8")
        config.chmod(0o600)
        for name, text in (("pedidos.csv", ORDERS), ("altas.csv", NEW), ("llamar.csv", _tasks(now))):
            (folder / name).write_text(text, encoding="utf-8")
        _fill(config, language, now, calls_back=calls_back)
        clock = Clock(beside)
        if clock.environment is None:
            raise SystemExit("the pictures' clock takes a C compiler (apt install gcc)")
        clock.jump(_ahead(now))
        started = time.monotonic()
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(config)]
        log_file = beside / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(command, env=environ | clock.environment, stdout=log, stderr=log)
        stack.callback(_end, process)
        target = Target(f"http://127.0.0.1:{port}", LINE, PASSWORD, KEY)
        until(lambda: ready(port) or process.poll() is not None)
        if process.poll() is not None:
            raise SystemExit(log_file.read_text("utf-8"))
        yield Office(folder, config, crm, target, now, clock, started)


def _tasks(now: datetime) -> str:
    """The file of those who wait to be called."""
    due = f"{now + timedelta(hours=4):%Y-%m-%d %H:%M}"
    people = list(PEOPLE.items())[_CALLED:]
    rows = (
        f"T{n};{number};{name};{SUBJECTS[n % 3]};{due}\n" for n, (number, (_, name)) in enumerate(people, _CALLED + 1)
    )
    return f"id;phone;name;subject;due\n{''.join(rows)}"


def _ahead(moment: datetime) -> int:
    return round(moment.timestamp() - time.time())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def _fill(config: Path, language: str, now: datetime, *, calls_back: bool) -> None:
    """A month until `now`."""
    database = connect("sqlite:///bridge.db", config.parent)
    chance = random.Random(7)
    moments = sorted(_moments(chance, now))
    with database.write() as connection:
        for n, start in enumerate(moments):
            _call(database, connection, chance, n, start, now - start < timedelta(minutes=5))
        if calls_back:
            _callbacks(connection, language, now)
        for minutes, who, action, subject in _AUDIT:
            at = now.astimezone(UTC) - timedelta(minutes=minutes)
            audit.add(connection, AuditEntry(at, who, action, subject, "admin", "192.0.2.7", None, None))
    while count_some(database, load(config).configuration, 500):
        pass
    database.close()


_REASONS = {
    "rejected": {"es": "no se llama a números de tarificación adicional", "en": "premium-rate numbers are not called"},
    "may_have_rung": {"es": "la plataforma no contestó a la petición", "en": "the platform did not answer the request"},
}
_AUDIT = ((190, "ana", "console.sign_in", ""), (12, "ana", "console.sign_in", ""))


def _moments(chance: random.Random, now: datetime) -> Iterator[datetime]:
    """When calls begin: in shop hours, most of them at ten and at five; two are on the line now."""
    by_hour = {9: 6, 10: 11, 11: 9, 12: 8, 13: 5, 16: 6, 17: 10, 18: 8, 19: 4}
    for day in range(31):
        date = now - timedelta(days=day)
        for hour, usual in by_hour.items():
            share = 0 if date.weekday() == 6 or (date.weekday() == 5 and hour > 13) else usual
            for _ in range(max(0, share + chance.randrange(-3, 3)) if share else 0):
                start = date.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60))
                if start < now - timedelta(minutes=9):
                    yield start
    yield from (now - timedelta(minutes=2, seconds=10), now - timedelta(seconds=25))


def _call(
    database: Database, connection: Connection, chance: random.Random, n: int, start: datetime, open_: bool
) -> None:
    """One call, with its Query and its activity."""
    caller = [*PEOPLE][n % 4] if open_ else chance.choice([*PEOPLE] * 3 + [*STRANGERS, ""])
    received, answered = open_ or chance.random() < 0.9, chance.random() < 0.84
    id_, name = PEOPLE.get(caller, ("", ""))
    talked, wait, sequence = chance.randrange(25, 420), chance.randrange(4, 38), f"97{n:06}"
    extension, e164 = (chance.choice(("102", "103", "104")) if id_ else "101"), f"+34{caller}" if caller else ""
    answered = (answered or not received) and not (open_ and start.second % 2)
    seconds = wait + talked if answered else wait
    began, end = start.astimezone(UTC), (start + timedelta(seconds=seconds)).astimezone(UTC)
    cost = Decimal("0.0465") + Decimal(talked) / 5000 if answered else Decimal("0.012")
    folded = FoldedCall(
        id=sequence, line=LINE, direction="received" if received else "emitted", caller=caller or "X", called=LINE,
        e164=e164, hidden=not caller, start=start, end=None if open_ else start + timedelta(seconds=seconds),
        seconds=None if open_ else seconds, cost=None if open_ else cost, cost_rx=None if open_ else Decimal("0.012"),
        cost_tx=None if open_ else cost - Decimal("0.012"), over=not open_, answered=answered,
        answered_by=extension if answered else "", diversions=(Diversion(extension, answered, start),),
        heard=("inicio",) if open_ else ("fin", "inicio"),
    )  # fmt: skip
    state = CallState.OPEN if open_ else CallState.OVER
    ends = None if open_ else end
    call_id = calls.save(
        connection,
        Call(LINE, sequence, state, folded, e164, folded.direction, "", began, ends, folded.seconds, folded.cost,
             close_at=began + timedelta(hours=6) if open_ else None),
        end,
    )  # fmt: skip
    moments = [("inicio", began)] + ([("desvio_correcto", began + timedelta(seconds=wait))] if answered else [])
    for event, at in moments:
        connection.execute(
            insert(events).values(line=LINE, call_sequence=sequence, event=event, received_at=at, digest=sequence,
                                  document={}, panel={}, e164=e164, folded=True)
        )  # fmt: skip
    if received:
        outcome, link = "found" if id_ else "not_found", f"https://crm.example.com/contacts/{id_}" if id_ else None
        answer = {"DESTINO": extension, **({"NOMBRE": name} if name else {})}
        ms = 40.0 + chance.random() * 25
        asked = StoredQuery(
            began + timedelta(seconds=3), LINE, sequence, "DESVIO", "received", e164, LINE, {}, outcome, 0, "", answer,
            "crm" if id_ else "", "contact" if id_ else "", id_, name, link, ms,
            [TrailStep("contact", "crm", outcome, ms - 2)],
        )  # fmt: skip
        queries.add(database, connection, [asked])
        queries.count(database, connection, {(queries.hour_of(began), "DESVIO", outcome): (1, ms)})
    if not open_:
        new = NewDelivery("activity", f"{LINE}:{sequence}:crm:call", "crm", {"subject": name}, e164, call_id)
        [delivery] = deliveries.add(database, connection, [new], end).values()
        deliveries.claim(connection, delivery, "worker", end, end)
        deliveries.done(connection, delivery, "worker", 1, Took(end, 44), written_id=f"{n}", exchange="")


def _callbacks(connection: Connection, language: str, now: datetime) -> None:
    """What was called of this morning's list."""
    states = [*["answered"] * 5, "no_answer", "busy", "rejected", "may_have_rung"]
    people = [*PEOPLE.items()][:_CALLED]
    for n, name in enumerate(states):
        state, (number, (_, who)) = CallbackState(name), people[n]
        made, rung = now - timedelta(hours=2), now - timedelta(minutes=95 - 7 * n)
        unsure = state is CallbackState.MAY_HAVE_RUNG
        reason = _REASONS.get(name, {}).get(language, "")
        connection.execute(
            insert(callbacks).values(
                source="files", task_key=key_of(f"T{n + 1}"), task_id=f"T{n + 1}", line=LINE, state=state.value,
                number=f"+34{number}", customer=f"+34{number}", origin="connector:files",
                task={"id": f"T{n + 1}", "name": who, "phone": number, "subject": SUBJECTS[(n + 1) % 3]}, reason=reason,
                attempts=0, emissions=1, created_at=made, updated_at=rung, seen_at=now,
                rung_at=None if state is CallbackState.REJECTED else rung,
                seconds=40 + 11 * n if state is CallbackState.ANSWERED else None,
                settled_at=None if unsure else rung + timedelta(minutes=1),
            )
        )  # fmt: skip
