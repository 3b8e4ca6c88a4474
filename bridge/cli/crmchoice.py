"""The dialogue about a CRM or a database: which, how to sign in, whether that works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from bridge.cli.contactlist import show_columns
from bridge.cli.dialogue import Dialogue, plain
from bridge.cli.given import Given, Stop, answered
from bridge.errors import BridgeError, ConfigurationFaults
from bridge.setup import answers
from bridge.setup.answers import COUNTRY, AnswerRefused
from bridge.setup.configuration import CustomerSource, Setup
from bridge.setup.crm import SQL, Need, crm_source, crms, needs
from bridge.setup.database import TableFound, UnusableDatabase, absolute, database_source, tables
from bridge.setup.trial import sign_in
from bridge.texts import Text, literal, said
from connectors.base import ConnectorError
from connectors.phone import parse

_CRM, _DATABASE = 1, 2
_ADDRESS = Text(
    "Address of the database, such as postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE (what you type is not "
    "shown)"
)
_QUESTIONS = {
    "base_url": Text("Address of its API"),
    "token": Text("Token (key of the API)"),
    "value": Text("Key of the API"),
    "key": Text("Key of the API, or the password"),
    "client_id": Text("Client id of the application"),
    "client_secret": Text("Client secret of the application"),
    "refresh_token": Text("Refresh token"),
    "token_url": Text("Address where it gives out tokens"),
    "scope": Text("Scope of the access"),
    "database": Text("Name of its database"),
    "user": Text("User"),
    "portal": Text("Address of your portal, without https://"),
    "webhook": Text("Secret part of the webhook's address"),
    "username": Text("User name"),
    "password": Text("Password or token"),
    "user_id": Text("Number or id of the user to whom calls belong"),
    "domain": Text("Your domain there"),
}


def wants(dialogue: Dialogue, given: Given) -> str:
    """Return the CRM in which customers are looked up, `sql` for a database; empty for a file. Raises
    `click.UsageError`."""
    if given.crm is not None:
        names = [SQL, *crms()]
        if given.crm.lower() not in names:
            text = Text("--crm: there is no {name}; there are {names}", name=plain(given.crm), names=", ".join(names))
            raise click.UsageError(dialogue.words(text))
        _fitting(dialogue, given, given.crm.lower())
        return given.crm.lower()
    if given.contacts is not None or not dialogue.asks:
        _fitting(dialogue, given, "")
        return ""
    places = [Text("in a file: CSV or a spreadsheet"), Text("in a CRM"), Text("in a database (SQL)")]
    where = dialogue.choose(Text("Where are your customers?"), places)
    if where == _CRM:
        names = crms()
        return names[dialogue.choose(Text("Which CRM?"), names)]
    return SQL if where == _DATABASE else ""


def _fitting(dialogue: Dialogue, given: Given, crm: str) -> None:
    """Refuse options that answer nothing here."""
    columns: dict[str, object] = {
        "--phone-column": given.phones,
        "--name-column": given.name,
        "--transfer-column": given.transfer,
    }
    crm_only: dict[str, object] = {"--set": given.settings, "--try": given.try_number, "--offline": given.offline}
    unfit: dict[str, object] = (
        {"--table": given.table} if crm != SQL else {"--try": given.try_number, "--offline": given.offline}
    )
    unfit |= {"--contacts": given.contacts, **columns} if crm else crm_only
    for option, value in unfit.items():
        if value not in (None, (), {}, False):
            kind = Text("a list of customers") if not crm else literal(f"--crm {crm}")
            raise click.UsageError(dialogue.words(Text("{option} does not go with {kind}", option=option, kind=kind)))


def ask_crm(dialogue: Dialogue, given: Given, crm: str) -> CustomerSource:
    """Return the CRM's connector once it can sign in, or somebody wants to go on without. Raises `Stop`,
    `click.UsageError`."""
    while True:
        values = dict(given.settings)
        for need in needs(crm):
            values[need.key] = _answer(dialogue, given, need)
        try:
            source = crm_source(crm, values)
        except ValueError as error:
            text = Text("--set: {key} is no key of a connector", key=plain(str(error)))
            raise click.UsageError(dialogue.words(text)) from None
        if given.offline or _signs_in(dialogue, source) or _goes_on(dialogue, given):
            return source


def _answer(dialogue: Dialogue, given: Given, need: Need) -> str:
    question = _QUESTIONS.get(need.key.rpartition(".")[2], literal(need.key))
    if need.example:
        question = Text("{question} (such as {example})", question=question, example=need.example)
    if need.secret:
        question = Text("{question} (what you type is not shown)", question=question)
    option = f"--set {need.key}=…"
    return answered(dialogue, option, given.settings.get(need.key), question, answers.secret, secret=need.secret)


def _signs_in(dialogue: Dialogue, source: CustomerSource) -> bool:
    """Whether the CRM takes the sign-in and one lookup; says what it says."""
    dialogue.say(Text("Signing in …"))
    setup = Setup(dialogue.language, "912345678", COUNTRY, "-", "-" * 32, source)
    try:
        findings = sign_in(setup)
    except ConfigurationFaults as error:
        for fault in error.faults:
            dialogue.say(Text("  does not work: {what}: {text}", what=fault.path, text=said(fault.text)), err=True)
        return False
    except (BridgeError, ConnectorError, OSError) as error:
        dialogue.say(Text("  does not work: {what}: {text}", what=source.name, text=said(error)), err=True)
        return False
    for finding in findings:
        if finding.ok:
            dialogue.say(Text("  works: {what}: {text}", what=said(finding.what), text=said(finding.text)))
        else:
            dialogue.say(
                Text("  does not work: {what}: {text}", what=said(finding.what), text=said(finding.text)), err=True
            )
    return all(finding.ok for finding in findings)


def _goes_on(dialogue: Dialogue, given: Given) -> bool:
    """Whether to go on although the sign-in failed. Raises `Stop` where nobody can be asked, or options gave it all."""
    if not dialogue.asks:
        raise Stop(Text("the sign-in does not work, and nothing was written; --offline writes without signing in"))
    choice = dialogue.choose(Text("What now?"), [Text("correct the answers"), Text("go on all the same")])
    if choice == 0 and given.settings:
        raise Stop(Text("correct the values of --set, and start again"))
    return choice == 1


def ask_database(dialogue: Dialogue, given: Given) -> tuple[CustomerSource, TableFound]:
    """Return the database's connector and the table of the customers. Raises `Stop`, `click.UsageError`."""
    while True:
        url = answered(dialogue, "--set url=…", given.settings.get("url"), _ADDRESS, _whole, secret=True)
        try:
            table = _table(dialogue, given, url)
            return database_source(url, table), table
        except UnusableDatabase as error:
            if not dialogue.asks or "url" in given.settings:
                raise Stop(error.reason) from None
            dialogue.say(Text("  {reason}", reason=error.reason))


def _whole(text: str) -> str:
    try:
        return absolute(answers.secret(text), Path())
    except UnusableDatabase as error:
        raise AnswerRefused(error.reason) from None


def _table(dialogue: Dialogue, given: Given, url: str) -> TableFound:
    candidates = tables(url, COUNTRY, given.table)
    if not candidates:
        raise UnusableDatabase(Text("no table with a column of telephone numbers was found"))
    place = 0
    if len(candidates) > 1 and given.table is None:
        place = dialogue.choose(
            Text("Which table has your customers?"), [str(plain(table.name)) for table in candidates]
        )
    table = candidates[place]
    show_columns(dialogue, table.name, table.choice, table.contents)
    if not dialogue.confirm(Text("Is this right?")):
        raise Stop(Text("choose another table with --table, or write the statement yourself (docs/connectors/sql.md)"))
    return table


def known_customer(dialogue: Dialogue, given: Given) -> str:
    """Return the number of a customer to try it with, empty for none."""

    def number(text: str) -> str:
        phone = parse(text, COUNTRY)
        if text and not phone:
            raise AnswerRefused(Text("this is no telephone number: write it as 912345678"))
        return phone.e164

    question = Text("Telephone number of a customer, to try it with (Enter: none)")
    check: Callable[[str], str] = number
    return answered(dialogue, "--try", given.try_number, question, check, default="")
