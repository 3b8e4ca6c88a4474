"""The number that a line's calls show, by the rules of a day: what the law says of it, whatever the configuration."""

from __future__ import annotations

from bridge.config.commercial import COMMERCIAL, Purpose
from bridge.config.dial import kinds
from bridge.config.lawbook import CallerRule, Law
from bridge.config.model import Configuration, Line
from bridge.texts import Text
from connectors.phone import parse


def national(line: Line) -> str:
    """Return a line's number without its country's code."""
    phone = parse(line.number, line.country)
    return "".join(filter(str.isdigit, phone.national or line.number))


def in_range(line: Line, start: str, digits: int) -> bool:
    """Return whether a line's number begins so, and has so many digits."""
    number = national(line)
    return number.startswith(start) and len(number) == digits


def broken(aim: Purpose | None, line: Line, law: Law) -> list[CallerRule]:
    """Return the rules that calls for this purpose break by showing this line's number."""
    return [rule for rule in law.callers(aim) if _breaks(rule, line)]


def _breaks(rule: CallerRule, line: Line) -> bool:
    if rule.only is not None:
        return not in_range(line, rule.only, rule.digits)
    if rule.never is not None:
        return in_range(line, rule.never, rule.digits)
    return set(kinds(parse(line.number, line.country))) <= rule.kinds and bool(kinds(parse(line.number, line.country)))


def refuses(rule: CallerRule, configuration: Configuration) -> bool:
    """Return whether a call that breaks a rule is refused, rather than warned of: where it is certain whom it binds, or
    the configuration says so."""
    return rule.sure == "certain" or (rule.only is not None and configuration.commercial.require_400)


def reason(rule: CallerRule, aim: Purpose | None, line: Line) -> Text:
    """Return what is wrong with a line's number."""
    if rule.only is not None:
        return Text(
            "line {line} is no {range} number, the only ones for commercial calls ({source})",
            line=line.number, range=rule.only, source=rule.source,
        )  # fmt: skip
    if rule.never is not None:
        return Text(
            "line {line} is a {range} number, which may call for nothing but to sell ({source})",
            line=line.number, range=rule.never, source=rule.source,
        )  # fmt: skip
    if aim == COMMERCIAL:
        return Text("line {line} is a mobile, which may make no commercial calls ({source})",
                    line=line.number, source=rule.source)  # fmt: skip
    return Text("line {line} is a mobile, which may make no calls of service ({source})",
                line=line.number, source=rule.source)  # fmt: skip


def refusal(aim: Purpose | None, line: Line, configuration: Configuration, law: Law) -> Text | None:
    """Return why calls for this purpose may not show this line's number; None where they may."""
    rules = (rule for rule in broken(aim, line, law) if refuses(rule, configuration))
    return next((reason(rule, aim, line) for rule in rules), None)
