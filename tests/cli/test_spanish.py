"""Nobody needs English: every help, and every command on a bridge that has worked, with `LANG=es_ES.UTF-8`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bridge.cli import cli
from connectors.base import Rejected
from tests.cli.conftest import CONFIGURATION, Run
from tests.fakes.connector import Handheld
from tests.fakes.exchange import Exchange, arrival, document, final

MORE = """
server: {port: 9}
smtp: {host: 127.0.0.1, port: 9, from: a@example.com, timeout: 1s}
alerts:
  - {email: [ana@example.com]}
reports:
  - {email: [ana@example.com], every: month}
queries:
  DESVIO:
    find: {contact: {in: crm, phone: "{{ caller }}"}}
    answer: {DESTINO: "101"}
  ENCUESTA:
    answer: {GUARDADO: "1"}
    save: {in: crm, table: survey, fields: {nota: "{{ vars.NOTA }}"}}
callbacks:
  - {name: campaign, line: "912345678", rule_group: g, number: "{{ task.phone }}", hours: always}
tests:
  - {ask: DESVIO, caller: "600111222", answer: {DESTINO: "102"}}
"""
COMMANDS = """
check
check --connect --trace
status
lines list
lines pause 912345678 --reason ferias
lines resume 912345678
lines resume 1
jobs list
jobs show 1
jobs retry 1
jobs retry
jobs discard 1
jobs discard 9
calls list
calls show 1
calls show 99
calls list --since ayer
callbacks list
callbacks sources
callbacks show 7
callbacks call 7
callbacks cancel 7
callbacks confirm 7 --rang yes
callbacks pause campaign
callbacks resume campaign
callbacks resume nadie
campaign list
campaign status nadie
report
report --period this-month --from 2026-03-01
report --send
alerts test
urls --base http://127.0.0.1:8080
ask DESVIO --caller 600111222
ask DESVIO --caller abc --trace
ask NADA
ask ENCUESTA --var NOTA=5
ask ENCUESTA --line 1
test
record DESVIO --to kept.yaml
forget 600999888
forget abc
oppositions add 600999888
oppositions list
oppositions withdraw 1
evidence verify
evidence show 600999888
evidence verify --head x
simulate received
simulate burst --query DESVIO --count 1
simulate received --base http://192.0.2.1
simulate emission --next nada
status --nope
nada
forget
serve --web --work
console nada
init . --yes
service uninstall --directory nowhere --dry-run
"""
FAULTS = """
linees: []
queries: {A: {find: {x: {in: crn, phone: "{{ caller }}"}}}}
queries: {A: {answer: {destino: 1}}}
server: {port: a lot}
queries: {A: {}}
retention: a
activities: [{in: crm, fields: {x: "{{ vars. }}"}}]
hours: {always: {open: x}}
language: fr
database: x
server: {host: 0.0.0.0}
callbacks: [{from: crm, line: "1", rule_group: g}]
alerts: [{}]
queries: {A: {find: {x: {in: crm, phone: "{{ nadie }}"}}, answer: {X: "{{ a b }}"}}}
"""
ENGLISH = re.compile(
    r"\b(?:the|is|are|was|were|been|of|and|or|not|with|for|it|its|this|that|there|has|have|had|does|into|nothing|nobody|"
    r"write|which|whose|such|default|usage|what|when|who|where|why|how|missing|wrong|unknown|never|since|until|asked|"
    r"found|waiting|failed|already|please|takes|needs|must|may|can|can't|error:? no)\b",
    re.IGNORECASE,
)
OURS = re.compile(
    r"`[^`]*`|'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\S*[/\\@_]\S*|--?[a-z][\w-]*|\b[\w.]+[:=]\S*|^  +[a-z_]+  +|this-month"
)
"""Commands, keys and values: they are the same in every language."""


def english(text: str) -> list[str]:
    """The lines that hold a word of English, less what is the same in every language."""
    return [line for line in text.splitlines() if ENGLISH.search(OURS.sub(" ", line))]


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*path, name))


@pytest.fixture(autouse=True)
def spanish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "es_ES.UTF-8")


@pytest.fixture
def config(config: Path) -> Path:
    config.write_text(CONFIGURATION + MORE, encoding="utf-8")
    (config.parent / "people.csv").write_text("id,phone\n1,600111222\n2,12\n", encoding="utf-8")
    return config


@pytest.fixture
def worked(exchange: Exchange, crm: Handheld) -> None:
    """A call is in the database, and what it should leave in the CRM was refused."""
    crm.refuse = Rejected("there is no column name; the header has phone")
    exchange.keep(arrival("inicio", document()), arrival("fin", final()))
    exchange.advance()
    exchange.work()


def test_every_help_is_spanish(capsys: pytest.CaptureFixture[str]) -> None:
    from bridge.cli import main

    told: dict[tuple[str, ...], list[str]] = {}
    for path in commands(cli):
        with pytest.raises(SystemExit) as ended:
            main([*path, "--help"])
        assert ended.value.code == 0
        if lines := english(capsys.readouterr().out):
            told[path] = lines
    assert told == {}


@pytest.mark.parametrize("arguments", COMMANDS.strip().splitlines())
def test_every_command_speaks_spanish(run: Run, worked: None, arguments: str, monkeypatch: pytest.MonkeyPatch,
                                      config: Path) -> None:  # fmt: skip
    monkeypatch.chdir(config.parent)
    said = run(*arguments.split())
    assert said.out + said.err
    assert english(said.out + said.err) == []


def test_what_is_odd_in_a_list_is_said_in_spanish(run: Run, config: Path) -> None:
    (config.parent / "contacts.csv").write_text("phone,name\n600111222,Ana\n60011,Luis\n,Eva,x\n", encoding="utf-8")
    said = run("check", "--connect")
    of_the_list = f"aviso: {config.parent}/contacts.csv tiene 3 filas; "
    assert said.err.endswith(
        f"{of_the_list}celdas de teléfono sin ningún número: 1, la primera en la fila 3\n"
        f"{of_the_list}filas con más columnas que la cabecera: 1, la primera en la fila 4, línea 4\n"
    )


def test_a_campaign_speaks_spanish(run: Run, worked: None, config: Path) -> None:
    people = config.parent / "people.csv"
    for arguments in (
        [people, "--dry-run"], [people], [people, "--sheet", "x"], ["status", "people"], ["pause", "people"],
        ["resume", "people"], ["cancel", "people"], ["list"], ["nobody.csv"], ["numbers", people],
    ):  # fmt: skip
        said = run("campaign", *arguments)
        assert english(said.out + said.err) == [], arguments
    for arguments in (["list"], ["show", "1"], ["cancel", "1"], ["call", "1"]):
        said = run("callbacks", *arguments)
        assert english(said.out + said.err) == [], arguments


@pytest.mark.parametrize("fault", [*FAULTS.strip().splitlines(), "queries:\n\t- x"])
def test_faults_are_spanish(run: Run, config: Path, fault: str) -> None:
    config.write_text(f"{CONFIGURATION}{fault}\n", encoding="utf-8")
    said = run("check")
    assert said.code == 1
    assert english(said.err) == []
