"""The first configuration: `config.yaml` with comments, and `.env` with the secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.config.dotenv import written
from bridge.setup import yamltext
from bridge.setup.yamltext import Expression, Value, Variable
from bridge.texts import Language, Text

QUERY = "DESVIO"
"""The name of the Query, in the configuration and in the panel."""
PASSWORD, URL_KEY = "INFOCALLER_PASSWORD", "BRIDGE_URL_KEY"
NAME, TRANSFER = "name", "transfer"
"""What the configuration calls the columns with a customer's name, and whom the call is put through to."""


@dataclass(frozen=True)
class KnownAnswer:
    """A question and what is answered, for `tests:`."""

    caller: str
    answer: Mapping[str, str]
    known_customer: bool = False


@dataclass(frozen=True)
class CustomerSource:
    """Where customers are looked up. `name`: what the configuration calls it; `section`: its keys; `comments`: what is
    worth saying of it; `fields`: those of `NAME` and `TRANSFER` that its contacts have; `secrets`: values of variables
    that the section names."""

    name: str
    section: Mapping[str, Value]
    comments: Sequence[Text] = ()
    fields: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """All that was answered. `reception`: whom unknown callers are put through to, empty for nobody. `extensions` that
    may be dialled, numbers that may be dialled although they are of another kind or country (`allow`)."""

    language: Language
    line: str
    country: str
    password: str
    url_key: str
    source: CustomerSource
    reception: str = ""
    extensions: Sequence[str] = ()
    allow: Sequence[str] = ()
    tests: Sequence[KnownAnswer] = ()

    @property
    def secrets(self) -> dict[str, str]:
        """The variables of `.env`."""
        return {PASSWORD: self.password, URL_KEY: self.url_key, **self.source.secrets}


def dotenv_text(setup: Setup) -> str:
    """Return the file `.env`. Raises ValueError for a secret that no file can hold."""
    head = Text(
        "The secrets of config.yaml. Keep this file to yourself: whoever has it can answer calls in your name."
    ).render(setup.language)
    return "\n".join([yamltext.comment(head), *(written(*pair) for pair in setup.secrets.items()), ""])


def config_text(setup: Setup) -> str:
    """Return the file `config.yaml`."""
    blocks: list[tuple[Sequence[Text], Mapping[str, Value]]] = [
        (_HEAD, {}),
        (_SERVER, {"server": {"host": "127.0.0.1", "port": 8080, "url_key": Variable(URL_KEY)}}),
        (_LANGUAGE, {"language": setup.language}),
        (_LINES, {"lines": [_line(setup)]}),
        ((_CONNECTORS, *setup.source.comments), {"connectors": {setup.source.name: setup.source.section}}),
        (_query_comments(setup), {"queries": {QUERY: _query(setup)}}),
        (_TESTS, {"tests": [_test(case) for case in setup.tests]} if setup.tests else {}),
    ]
    parts = []
    for comments, section in blocks:
        if section or comments is _HEAD:
            texts = [yamltext.comment(comment.render(setup.language)) for comment in comments]
            parts.append("\n".join([*texts, *yamltext.lines(section)]))
    return "\n\n".join(parts) + "\n"


_HEAD = (
    Text("How your telephone line answers, written by `infocaller-bridge init`. Change it with any text editor: once "
         "it is saved, the bridge uses it, without a restart. A file with mistakes is not used; the last good one is."),
    Text("After a change: `infocaller-bridge check` says what is wrong, and where; `infocaller-bridge test` asks the "
         "questions at the end of this file."),
    Text("A word in capitals after a dollar sign stands for a line of the file .env beside this one, where the secrets "
         "are."),
)  # fmt: skip
_SERVER = (
    Text("Where the bridge listens: on this machine alone, behind a web server with HTTPS. The key is a part of the "
         "addresses in the panel that nobody can guess."),
)  # fmt: skip
_LANGUAGE = (Text("Language of what the bridge tells people: es or en."),)
_LINES = (
    Text("Your line: its main number as the panel shows it, and its telephone password."),
    Text("extensions: what a call may be put through to, besides telephone numbers. Add new ones here."),
)
_CONNECTORS = Text("Where your customers are looked up by the number that calls.")
_TESTS = (Text("Questions with the answers that are expected: `infocaller-bridge test` asks them."),)


def _line(setup: Setup) -> dict[str, Value]:
    line: dict[str, Value] = {
        "number": _number(setup.line),
        "password": Variable(PASSWORD),
        "country": setup.country,
        "timezone": "Europe/Madrid",
        "extensions": [_number(extension) for extension in setup.extensions],
    }
    if setup.allow:
        line["dial"] = {"allow": [_number(number) for number in setup.allow]}
    return line


def _number(text: str) -> Expression:
    """Digits, in quotes always."""
    return Expression(text)


def _query_comments(setup: Setup) -> list[Text]:
    comments = [
        Text("What the platform asks when a call comes in (its name in the panel: {query}), and what it is answered. "
             "Names in capitals are variables of your script in the panel.", query=QUERY),
        Text("CLIENTE: SI if the caller is one of your customers, NO if nobody knows the number, VARIOS if several "
             "customers have it. DESTINO: whom to put the call through to. NOMBRE: the customer's name."),
    ]  # fmt: skip
    if not setup.reception:
        comments.append(
            Text("Unknown callers get no DESTINO: your script in the panel decides. To send them to reception, add "
                 "DESTINO with its extension or number to not_found.")
        )  # fmt: skip
    comments.append(
        Text("If your customers can't be asked in time, the answer has the result 2: your script then knows that the "
             "caller may well be a customer.")
    )  # fmt: skip
    return comments


def _query(setup: Setup) -> dict[str, Value]:
    reception: dict[str, Value] = {"DESTINO": _number(setup.reception)} if setup.reception else {}
    answer: dict[str, Value] = {"CLIENTE": Expression("SI")}
    if TRANSFER in setup.source.fields:
        fallback = f"(contact.{TRANSFER} or '{setup.reception}')" if setup.reception else f"contact.{TRANSFER}"
        destination = Expression(f"{{{{ {fallback} | dial }}}}")
        if setup.reception:
            answer["DESTINO"] = destination
        else:
            answer["DESTINO"] = Expression(f"{{{{ (contact.{TRANSFER} | dial) if contact.{TRANSFER} else '' }}}}")
    else:
        answer |= reception
    if NAME in setup.source.fields:
        answer["NOMBRE"] = Expression(f"{{{{ contact.{NAME} }}}}")
    return {
        "find": {"contact": {"in": setup.source.name, "phone": Expression("{{ caller }}")}},
        "answer": answer,
        "not_found": {"CLIENTE": Expression("NO"), **reception},
        "ambiguous": {"CLIENTE": Expression("VARIOS"), **reception},
        "on_timeout": {"result": 2, **reception},
    }


def _test(case: KnownAnswer) -> dict[str, Value]:
    return {"ask": QUERY, "caller": _number(case.caller), "answer": dict(case.answer)}
