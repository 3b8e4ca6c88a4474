"""The dialogue of `init`: the line, the customers, reception; then the files, and what to do next."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.cli.check import panel_urls
from bridge.cli.contactlist import choose_columns
from bridge.cli.crmchoice import ask_crm, ask_database, known_customer, wants
from bridge.cli.dialogue import Dialogue, plain
from bridge.cli.given import Given, Stop, answered
from bridge.cli.language import fault_words, words
from bridge.cli.options import program
from bridge.config import files as config_files
from bridge.config.dotenv import parse
from bridge.config.load import Loaded, environment, load
from bridge.errors import BridgeError, ConfigurationFaults
from bridge.setup import answers, guidance
from bridge.setup.answers import COUNTRY
from bridge.setup.configuration import PASSWORD, QUERY, URL_KEY, CustomerSource, Setup, config_text, dotenv_text
from bridge.setup.crm import SQL
from bridge.setup.files import NotWritten, make_folder, publish
from bridge.setup.source import contacts_source, written_path
from bridge.setup.trial import Tried, try_out
from bridge.texts import Text, said
from connectors.base import ConnectorError
from connectors.phone import mask

_PORT = 8080
_KEY_BYTES = 24
_ADDRESS = "https://bridge.example.com"


@dataclass(frozen=True)
class Customers:
    """Where customers are looked up: as it is written, and as it is tried (with whole paths); whom to try it with, the
    extensions that it names, and whether a customer's answer is kept as a test (`lasting`): a CRM may be away then."""

    source: CustomerSource
    tried: CustomerSource
    callers: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    lasting: bool = True


class FirstStart:
    """One run of `init`."""

    def __init__(self, dialogue: Dialogue, folder: Path, given: Given) -> None:
        self._dialogue, self._folder, self._given = dialogue, folder, given
        self._config, self._dotenv = folder / "config.yaml", folder / ".env"

    def run(self) -> int:
        """Ask, write, try, say what is next. Returns the exit code. Raises `Stop`, `click.UsageError`."""
        kept = self._look_around()
        say = self._dialogue.say
        if self._dialogue.asks:
            say(
                Text(
                    "A few questions, then your line can answer. What stands in [brackets] is taken if you press "
                    "Enter. Ctrl-C ends this; until the last question nothing is written."
                )
            )
            say()
        customers = self._customers()
        say()
        line = answered(
            self._dialogue, "--line", self._given.line,
            Text("Main number of your line, as the panel shows it (such as 912345678)"), answers.line_number,
        )  # fmt: skip
        password = self._password(kept)
        reception, rule = answered(
            self._dialogue, "--reception", self._given.reception,
            Text("Extension or number of reception, for callers whom nobody knows (Enter: none)"),
            lambda text: answers.destination(text, line), default="",
        )  # fmt: skip
        extensions = dict.fromkeys((*customers.extensions, *([reception] if rule == "extension" else [])))
        setup = Setup(
            self._dialogue.language, line, COUNTRY, password, kept.get(URL_KEY) or secrets.token_urlsafe(_KEY_BYTES),
            customers.source, reception, tuple(extensions), (reception,) if rule == "allow" else (),
        )  # fmt: skip
        tried = self._try(replace(setup, source=customers.tried), customers.callers)
        tests = [case for case in tried.setup.tests if customers.lasting or not case.known_customer]
        setup = replace(setup, tests=tests)
        self._write(setup, kept)
        return self._check(setup, tried)

    def _look_around(self) -> Mapping[str, str]:
        """What a `.env` that is there already holds. Raises `Stop` where nothing could be written in the end."""
        if os.path.lexists(self._config):
            raise Stop(
                Text("{path} is there already, and is left as it is. For another line choose another folder: {command}",
                     path=self._config, command=self._command("init", "NEW"))
            )  # fmt: skip
        parent = self._folder
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        if not parent.is_dir():
            raise Stop(Text("{path} is a file, where a folder is needed", path=parent))
        if not os.access(parent, os.W_OK | os.X_OK):
            raise Stop(Text("you may not write into {path}; choose another folder", path=parent.resolve()))
        if not os.path.lexists(self._dotenv):
            return {}
        try:
            return parse(config_files.text(config_files.content(self._dotenv))).values
        except (config_files.NotUsable, config_files.NotText) as error:
            raise Stop(Text("{path} can't be read: {error}", path=self._dotenv, error=said(error))) from None

    def _customers(self) -> Customers:
        crm = wants(self._dialogue, self._given)
        if crm == SQL:
            source, table = ask_database(self._dialogue, self._given)
            numbers = tuple(number for number, _name, _transfer in table.contents.candidates)
            return Customers(source, source, numbers, tuple(table.contents.extensions))
        if crm:
            source = ask_crm(self._dialogue, self._given, crm)
            customer = "" if self._given.offline else known_customer(self._dialogue, self._given)
            return Customers(source, source, (customer,) if customer else (), lasting=False)
        path, choice, seen = choose_columns(self._dialogue, self._given)
        return Customers(
            contacts_source(written_path(path, self._folder), choice),
            contacts_source(str(path.resolve()), choice),
            tuple(number for number, _name, _transfer in seen.candidates),
            tuple(seen.extensions),
        )

    def _password(self, kept: Mapping[str, str]) -> str:
        """The telephone password: the option's, that of `.env`, the environment's, or what is typed."""
        given, already = self._given.password, kept.get(PASSWORD)
        if already is not None:
            if given is not None and given != already:
                raise Stop(
                    Text("{path} has another {name}: correct it there, or move that file away", path=self._dotenv,
                         name=PASSWORD)
                )  # fmt: skip
            self._dialogue.say(Text("The telephone password is that of {path}.", path=self._dotenv))
            return already
        return answered(
            self._dialogue, "--password", given if given is not None else environment().get(PASSWORD),
            Text("Telephone password of the line, from the panel (what you type is not shown)"), answers.password,
            secret=True,
        )  # fmt: skip

    def _try(self, setup: Setup, callers: Iterable[str]) -> Tried:
        """The configuration as it passes. Raises `Stop`."""
        try:
            return try_out(setup, callers)
        except ConfigurationFaults as error:
            text = Text("a configuration of these answers would not work: {faults}", faults="\n".join(
                f"{fault.path}: {words(fault.text)}" for fault in error.faults))  # fmt: skip
            raise Stop(text) from None
        except (BridgeError, ConnectorError, OSError) as error:
            raise Stop(Text("it could not be tried: {error}", error=said(error))) from None

    def _write(self, setup: Setup, kept: Mapping[str, str]) -> None:
        """Write both files; `.env` first, so that a configuration always has its secrets. Raises `Stop`."""
        lacking = [name for name, value in setup.secrets.items() if kept.get(name) != value]
        exists = os.path.lexists(self._dotenv)
        if exists and lacking:
            raise Stop(
                Text("{path} is there already, and is left as it is, but it lacks {names} or has another value: write "
                     "them in it, or move it away", path=self._dotenv, names=", ".join(lacking))
            )  # fmt: skip
        try:
            make_folder(self._folder)
            if not exists:
                publish(self._dotenv, dotenv_text(setup))
            publish(self._config, config_text(setup))
        except NotWritten as error:
            raise Stop(error.reason) from None

    def _check(self, setup: Setup, tried: Tried) -> int:
        """Do what `check`, `ask` and `test` do, and say what is next."""
        dialogue = self._dialogue
        dialogue.say()
        dialogue.say(Text("Written: {config} and {dotenv}", config=self._config, dotenv=self._dotenv))
        try:
            loaded = load(self._config)
        except ConfigurationFaults as error:
            dialogue.say("\n".join(map(fault_words, error.faults)), err=True)
            return 1
        for warning in loaded.warnings:
            dialogue.say(Text("warning: {warning}", warning=fault_words(warning)), err=True)
        for name, value in setup.secrets.items():
            if environment().get(name, value) != value:
                dialogue.say(
                    Text(
                        "warning: {name} is also set in this terminal, to something else, which counts here", name=name
                    ),
                    err=True,
                )
        dialogue.say(Text("check: the configuration is good."))
        self._show_answer(tried)
        self._next(setup, tried, loaded)
        return 0

    def _show_answer(self, tried: Tried) -> None:
        if tried.answered is None:
            return
        self._dialogue.say(Text("ask: {number} calls, and the platform is answered:", number=mask(tried.caller)))
        for name, value in tried.answered.variables.items():
            self._dialogue.say(f"    {name} = {plain(value)}")

    def _next(self, setup: Setup, tried: Tried, loaded: Loaded) -> None:
        """Say which commands come next, each as it can be pasted."""
        say, folder = self._dialogue.say, guidance.into(self._folder, Path())
        caller = tried.caller or guidance.STRANGER
        serve = self._command("serve")
        say()
        say(Text("Next:"))
        say()
        say(Text("1. Start the bridge, and leave this window open:"))
        say(f"     {folder} && {serve}" if folder else f"     {serve}")
        say(Text("2. In a second window, ask it as the platform does. The answer has Result 0:"))
        say(f"     {guidance.into(self._folder, Path('/'))}")
        say(f"     {guidance.curl(setup.line, caller, setup.password, _PORT)}")
        say(Text("3. See whether anything needs you:"))
        say(f"     {self._command('status')}")
        say(
            Text(
                "4. Give the bridge an address with HTTPS (the page about deployment says how). With it, this prints "
                "what to paste in the panel, in the section API of the line's start tab:"
            )
        )
        say(f"     {self._command('urls', '--base', _ADDRESS)}")
        say()
        for text in panel_urls(loaded.configuration, _ADDRESS):
            say(f"     {self._dialogue.words(text)}")
        say()
        say(
            Text(
                "5. In your script in the panel: ask the Query {query}, then put the call through to the variable "
                "DESTINO. If the result is not 0, let the call go where it goes today. Step by step, with pictures: "
                "the page docs/panel.md of the documentation.",
                query=QUERY,
            )
        )

    def _command(self, *arguments: str) -> str:
        return shlex.join([*program(), *arguments])
