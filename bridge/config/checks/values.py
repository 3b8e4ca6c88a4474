"""Rules of the whole file beyond names and connectors: addresses, lines, Queries, limits and tests."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers

from bridge.config.model import DESTINATION, VARIABLE_NAME, Configuration, Line, Query
from bridge.config.sections import meant, near
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext, blocks, each_of
from connectors import phone

_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+")
_KEY_LENGTH = 16
_LINE_NUMBER = re.compile(r"\+?[0-9]+")
_DIALLED = re.compile(r"[+]?[0-9 ()./-]+")
_SMART_QUOTE = re.compile("[\u2018-\u201f\u00ab\u00bb]")
_EXTENSION = re.compile(r"[0-9A-Za-z*#_-]{1,32}")
_MAKE_KEY = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"


def check(whole: CheckContext) -> Iterator[Wrong]:
    """Yield everything that breaks a rule."""
    configuration = whole.configuration
    yield from _server(whole)
    yield from database(configuration)
    for position, line in enumerate(configuration.lines):
        yield from _line(line, ("lines", position))
    yield from _same_lines(configuration)
    yield from _query_names(whole)
    for name, query in configuration.queries.items():
        yield from _query(whole, query, ("queries", name))
    yield from _activity_keys(whole)
    yield from _tests(whole)
    yield from _alerts(whole)
    yield from _console(whole)


def _server(whole: CheckContext) -> Iterator[Wrong]:
    server = whole.configuration.server
    if not server.url_key:
        readable = all(whole.whole("server", key) for key in ("url_key", "host", "allowed_ips"))
        if readable and not server.allowed_ips and not _loopback(server.host):
            text = f"is missing: whoever finds this server could ask it; {_MAKE_KEY}, or set allowed_ips"
            yield Wrong(("server", "url_key"), text)
    for loc, key in each_of(server.url_key, ("server", "url_key")):
        if len(key) < _KEY_LENGTH:
            yield Wrong(loc, f"is too easy to guess: write {_KEY_LENGTH} characters or more; {_MAKE_KEY}")
        elif not _URL_SAFE.fullmatch(key):
            yield Wrong(loc, f"stands in a URL: write only A-Z a-z 0-9 - _ . ~; {_MAKE_KEY}")
    if not server.host.strip():
        yield Wrong(("server", "host"), "write an address, such as 127.0.0.1, or 0.0.0.0 for all")
    if server.console_host is not None and server.console_port is None:
        text = "counts only beside console_port: add it, or remove this"
        yield Wrong(("server", "console_host"), text, at_key=True)
    elif server.console_host is not None and not server.console_host.strip():
        yield Wrong(("server", "console_host"), "write an address, such as 127.0.0.1, or 0.0.0.0 for all")
    if server.console_port == server.port:
        yield Wrong(("server", "console_port"), "is server.port, where the platform's URLs are: write another one")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def database(configuration: Configuration) -> Iterator[Wrong]:
    """Yield what is wrong with the database's address."""
    url = configuration.database.get_secret_value()
    if url.startswith("postgresql://") and re.match(r"postgresql://[^/]*/[^/]", url):
        return
    if url.startswith("sqlite:///") and url.removeprefix("sqlite:///") not in ("", ":memory:"):
        return
    yield Wrong(("database",), "write sqlite:///bridge.db (a file), or postgresql://user:password@host/name")


def _line(line: Line, loc: Loc) -> Iterator[Wrong]:
    if not _LINE_NUMBER.fullmatch(line.number):
        yield Wrong((*loc, "number"), "write the number as the platform does: digits only, such as 912345678")
    if not line.password.get_secret_value():
        yield Wrong((*loc, "password"), "is empty: it is the line's telephone password, from the panel")
    yield from _country(line.country, (*loc, "country"))
    for position, country in enumerate(line.dial.countries or []):
        yield from _country(country, (*loc, "dial", "countries", position))
    if not _is_zone(line.timezone):
        hint = near(line.timezone, available_timezones()) or near(line.timezone, _cities())
        meaning = f"did you mean {_cities().get(hint, hint)}?" if hint else "write one such as Europe/Madrid"
        yield Wrong((*loc, "timezone"), f"there is no such time zone; {meaning}")
    for position, extension in enumerate(line.extensions):
        if not _EXTENSION.fullmatch(extension):
            yield Wrong((*loc, "extensions", position), "write an extension as it is dialled, such as 101")
        elif extension in line.extensions[:position]:
            yield Wrong((*loc, "extensions", position), "stands here twice: remove one")
    for position, number in enumerate(line.dial.allow):
        if not _DIALLED.fullmatch(number):
            yield Wrong((*loc, "dial", "allow", position), "write a telephone number, such as +34900123456")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # no such zone, a folder of zones, no such path
        return False
    return "/" in name or name == "UTC"


def _cities() -> dict[str, str]:
    return {zone.rpartition("/")[2]: zone for zone in sorted(available_timezones()) if "/" in zone}


def _country(code: str, loc: Loc) -> Iterator[Wrong]:
    if code in phonenumbers.SUPPORTED_REGIONS:
        return
    if code.upper() in phonenumbers.SUPPORTED_REGIONS:
        yield Wrong(loc, f"write it in capitals: {code.upper()}")
    else:
        yield Wrong(loc, "there is no such country: write its two letters, such as ES, PT or GB")


def _same_lines(configuration: Configuration) -> Iterator[Wrong]:
    first: dict[str, int] = {}
    for position, line in enumerate(configuration.lines):
        number = phone.parse(line.number, line.country).e164 or line.number
        if number in first:
            text = f"is the number of lines[{first[number]}] as well: keep one of the two"
            yield Wrong(("lines", position, "number"), text)
        first.setdefault(number, position)


def _query_names(whole: CheckContext) -> Iterator[Wrong]:
    seen: dict[str, str] = {}
    for name in whole.keys("queries"):
        loc: Loc = ("queries", name)
        if "/" in name or name != name.strip():
            yield Wrong(
                loc, "a Query's name has no / in it and no space around it: write it as in the panel", at_key=True
            )
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield Wrong(loc, f"differs from {other} only in capitals: nobody could tell which is meant", at_key=True)


def _query(whole: CheckContext, query: Query, loc: Loc) -> Iterator[Wrong]:
    if whole.whole(*loc) and not (query.find or query.answer or query.save):
        yield Wrong(loc, "this Query does nothing: add answer:, and find: for what it needs", at_key=True)
    if query.deadline <= 0:
        yield Wrong((*loc, "deadline"), "leaves no time to answer: write 1500ms or so")
    for where, block in blocks(query, loc):
        dialled = block.variables.get(DESTINATION)
        if dialled is not None and dialled.constant and _SMART_QUOTE.search(dialled.source):
            plain = _SMART_QUOTE.sub("", dialled.source).strip()
            text = f'the curly quotes would be dialled as well: write straight ones, "{plain}"'
            yield Wrong((*where, DESTINATION), text)
        if block.when is not None and "answer" not in where[len(loc) :]:
            yield Wrong((*where, "when"), "has no meaning here: write it in a block of answer:", at_key=True)


def activity_key(whole: CheckContext, position: int) -> str:
    """Return what tells the activities of one rule from those of another: its name, else the connector and the events,
    as in the keys under which they are written."""
    rule = whole.configuration.activities[position]
    return rule.name or f"{rule.in_}:{'+'.join(rule.on)}"


def _activity_keys(whole: CheckContext) -> Iterator[Wrong]:
    first: dict[str, int] = {}
    for position, rule in enumerate(whole.configuration.activities):
        key = activity_key(whole, position)
        if key in first:
            other = f"activities[{first[key]}]"
            if rule.name:
                yield Wrong(("activities", position, "name"), f"{other} has this name as well: write another one")
            else:
                text = f"{other} has the same connector and events: give each of the two a name:"
                yield Wrong(("activities", position), text)
        first.setdefault(key, position)


def _tests(whole: CheckContext) -> Iterator[Wrong]:
    names, numbers = whole.keys("queries"), [line.number for line in whole.configuration.lines]
    for position, case in enumerate(whole.configuration.tests):
        loc: Loc = ("tests", position)
        query = find_query(case.ask, names)
        if query is None:
            yield Wrong((*loc, "ask"), f"there is no Query {case.ask}; {meant(case.ask, names)}")
        elif whole.whole("queries", query):
            yield from _expected(whole, query, position)
        if case.line is not None and case.line not in numbers and whole.whole("lines"):
            yield Wrong((*loc, "line"), f"there is no line with this number; {meant(case.line, numbers)}")


def find_query(name: str, names: list[str]) -> str | None:
    """Return the Query that is meant: by its name, else by its name in any case."""
    if name in names:
        return name
    return next((other for other in names if other.casefold() == name.casefold()), None)


def _expected(whole: CheckContext, query: str, position: int) -> Iterator[Wrong]:
    sets = {name for _, block in blocks(whole.configuration.queries[query], ()) for name in block.variables}
    sets = {name for name in sets if VARIABLE_NAME.fullmatch(name)}
    for name, value in whole.configuration.tests[position].answer.items():
        if value is not None and name not in sets and name == name.upper():
            text = f"{query} never sets this; {meant(name, sets, 'it sets')}"
            yield Wrong(("tests", position, "answer", name), text, at_key=True)


def _alerts(whole: CheckContext) -> Iterator[Wrong]:
    configuration = whole.configuration
    mailed = [(("alerts", at, "email"), alert.email) for at, alert in enumerate(configuration.alerts)]
    mailed += [(("reports", at, "email"), rule.email) for at, rule in enumerate(configuration.reports)]
    for place, email in mailed:
        if email and configuration.smtp is None and whole.whole("smtp"):
            text = "needs a mail server: write smtp: {host: localhost, from: bridge@example.com} at the top"
            yield Wrong(place, text, at_key=True)
    file = configuration.smtp.ca_file if configuration.smtp is not None else None
    if file is not None and not (whole.folder / file).is_file():
        yield Wrong(("smtp", "ca_file"), f"there is no file {file}")


def _console(whole: CheckContext) -> Iterator[Wrong]:
    configuration = whole.configuration
    users = configuration.console.users
    if users and configuration.server.console_password is not None:
        text = "console.users says who may sign in: remove one of the two"
        yield Wrong(("server", "console_password"), text, at_key=True)
    first: dict[str, int] = {}
    for position, user in enumerate(users):
        name = user.name.casefold()
        if name in first:
            yield Wrong(("console", "users", position, "name"), f"users[{first[name]}] has this name as well")
        first.setdefault(name, position)
