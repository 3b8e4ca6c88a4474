"""What calls are for: rules of the whole file, and what is legal to write and yet probably not meant.

The law's own rules are those of today (`bridge.config.lawbook`); what holds on the day of a call the gates see to.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bridge.config.callbacks import CallbackSource
from bridge.config.callernumber import broken, reason, refuses
from bridge.config.commercial import COMMERCIAL
from bridge.config.hours import Opening
from bridge.config.lawbook import HoursRule, Law, lawbook
from bridge.config.model import Configuration, Line
from bridge.config.source import Loc, Wrong
from bridge.config.whole import CheckContext
from bridge.hours.calendar import spans_within

_ONLY_COMMERCIAL = ("consent", "automatic", "exclusion_max_age")


def check(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    """Yield what is wrong with what a source's calls are for."""
    written = whole.keys(*loc)
    if source.aim != COMMERCIAL:
        for key in _ONLY_COMMERCIAL:
            if key in written:
                yield Wrong((*loc, key), "is of purpose: commercial alone: leave it out", at_key=True)
    elif source.built_in:
        text = "who called and was missed asked for the call: write requested, or leave it out"
        yield Wrong((*loc, "purpose"), text)
    else:
        yield from _commercial(source, loc)
    line = whole.configuration.line(source.line)
    law = None if line is None else law_of(line)
    if line is None or law is None:
        return
    for rule in broken(source.aim, line, law):
        if refuses(rule, whole.configuration):
            yield Wrong((*loc, "line"), str(reason(rule, source.aim, line)))
    if source.aim == COMMERCIAL and not source.built_in:
        yield from _hours(whole.configuration, source, loc, law)


def _commercial(source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    if source.consent is None:
        text = (
            "a commercial source needs consent: with basis: and date:, such as "
            '{basis: "{{ task.basis }}", date: "{{ task.consent_date }}", proof: "{{ task.consent_ref }}"}'
        )
        yield Wrong((*loc, "purpose"), text)
    if source.schedule == "platform":
        text = "a request that went out ahead could not be taken back when the person says no to commercial calls"
        yield Wrong((*loc, "schedule"), text)


def _hours(configuration: Configuration, source: CallbackSource, loc: Loc, law: Law) -> Iterator[Wrong]:
    """Hours that the law does not allow; a calendar that is not there is said elsewhere."""
    if isinstance(source.hours, str) and source.hours != "always" and source.hours not in configuration.hours:
        return
    times = configuration.times_of(source)
    for rule, _ in law.hours:
        if not spans_within(times.open, rule.open):
            text = f"commercial calls are allowed {_in_words(rule)} alone ({rule.source}): shorten these hours"
            yield Wrong((*loc, "hours"), text)
        if rule.holidays and times.holidays is None and (source.holidays is None or source.hours == "always"):
            text = f"no commercial calls on public holidays ({rule.source}): keep holidays, those of the line's country"
            yield Wrong((*loc, "holidays"), text)


def _in_words(rule: HoursRule) -> str:
    return ", ".join(f"{_days(opening)} {opening.from_:%H:%M}-{opening.to:%H:%M}" for opening in rule.open)


def _days(opening: Opening) -> str:
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    days = sorted(opening.days)
    if len(days) > 1 and days == list(range(days[0], days[-1] + 1)):
        return f"{names[days[0]]}-{names[days[-1]]}"
    return ",".join(names[day] for day in days)


def law_of(line: Line) -> Law | None:
    """Return the rules of today where a line is, None where none are known."""
    book = lawbook(line.country)
    try:
        zone = ZoneInfo(line.timezone)
    except (KeyError, ValueError, OSError):  # which is a fault of its own
        zone = ZoneInfo("UTC")
    return None if book is None else book.on(datetime.now(UTC).astimezone(zone).date())


def advise(whole: CheckContext, source: CallbackSource, loc: Loc) -> Iterator[Wrong]:
    """Yield what of it deserves a second look."""
    if source.aim is None:
        text = (
            "does not say what its calls are for, so no rule about commercial calls holds it back: add purpose: "
            "commercial (to sell), service (about a contract or service that there is) or requested (the person asked)"
        )
        at = "name" if source.name is not None else "from"
        yield Wrong((*loc, at), text, at_key=True)
        return
    line = whole.configuration.line(source.line)
    if line is None:
        return
    law = law_of(line)
    if law is None and source.aim == COMMERCIAL:
        text = f"no rules about commercial calls are known of {line.country}: only oppositions keep anybody back"
        yield Wrong((*loc, "purpose"), text)
    if source.aim == COMMERCIAL and source.retries != 0:
        text = (
            "a busy phone is tried again by the platform, also if whoever is on it says no to such calls meanwhile: "
            "leave retries out"
        )
        yield Wrong((*loc, "retries"), text)
    for rule in broken(source.aim, line, law) if law is not None else ():
        if not refuses(rule, whole.configuration):
            doubt = "" if rule.doubt is None else f"; {rule.doubt.en}"
            yield Wrong((*loc, "line"), f"{reason(rule, source.aim, line)}{doubt}")
