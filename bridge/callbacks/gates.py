"""What may keep a callback from ringing: every rule, and their order. Pure: `admit` decides, callers gather the facts.

A callback meets the gates several times: when its task comes, when it has its turn, when its CRM has been asked, and
under the lock just before it rings. Each time more is known (`Facts`); a gate whose fact is not known yet is open. What
a line, a source or a campaign is held back by stands elsewhere (`brakes`, `turns`), and so does what the CRM says of
the task (`preparing`).

To add a gate, write one function and name it in `_GATES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bridge.callbacks.consent import Consent, months_after
from bridge.callbacks.pace import LinePace
from bridge.callbacks.tasks import CallData, Rules, UnusableTask, Wish, restored
from bridge.config.callernumber import refusal
from bridge.config.dial import may_dial
from bridge.config.lawbook import AgeRule, Law
from bridge.hours.calendar import Calendar
from bridge.hours.zones import start_of, zones_of
from bridge.infocaller.emission import RETRY_MINUTES
from bridge.store.callbacks import Callback
from bridge.texts import Language, Plural, Text
from connectors.base import Task
from connectors.phone import Phone, parse

_DAY = timedelta(days=1)
_LONGEST_DAY = timedelta(hours=25)
_LIST_AWAY = timedelta(seconds=45)
_BUSY_LINE = timedelta(seconds=5)
_NEWS = timedelta(seconds=2)
_MOST_OPENINGS = 20
"""Openings that are tried for a time to come, where several hours have to be kept to."""
SPOKEN = Text("somebody has spoken with the caller since")
UNHEARD = Text("there is news of this number, which is taken up first")


class Gate(StrEnum):
    """What kept a callback back."""

    CALLED_BEFORE = "called_before"
    """Another callback of the same task may have rung."""
    TASK = "task"
    """What the task says can't be read."""
    NUMBER = "number"
    """The number is not one that the line may call (`dial`)."""
    DO_NOT_CALL = "do_not_call"
    """The person asked not to be called."""
    LIST_AWAY = "list_away"
    """The do-not-call list can't be read, so nobody is called."""
    OPPOSED = "opposed"
    """The person said no to commercial calls."""
    SPOKEN_SINCE = "spoken_since"
    """Somebody has spoken with the caller since the call was missed, or may just have."""
    EXPIRED = "expired"
    """It is too late for this task."""
    CALLER_NUMBER = "caller_number"
    """The line's own number is none that may make such calls."""
    CONSENT = "consent"
    """Nothing that counts says that the person may be called to sell."""
    CONSENT_OLD = "consent_old"
    """What said so is too old."""
    EXCLUSION_LIST = "exclusion_list"
    """The last check against exclusion lists does not permit the number, or is too old."""
    BY_HAND = "by_hand"
    """It waits for a person to have it called (`dial: by_hand`)."""
    COMMERCIAL_HOURS = "commercial_hours"
    """The law allows no commercial calls at this time."""
    HOURS = "hours"
    """Nobody is called at this time."""
    PER_NUMBER = "per_number"
    """The number was called often enough."""
    PER_DAY = "per_day"
    """The line called often enough today."""
    PACE = "pace"
    """The line calls as fast as it may."""


OF_THE_ROW = frozenset({Gate.CONSENT, Gate.CONSENT_OLD})
"""What only the row itself can open, when it says something else."""
OF_COMMERCIAL = (Gate.OPPOSED, Gate.CALLER_NUMBER, Gate.CONSENT, Gate.CONSENT_OLD, Gate.EXCLUSION_LIST,
                 Gate.COMMERCIAL_HOURS)  # fmt: skip
"""What only a commercial call is asked, but for `caller_number`, which one of service is asked as well."""
MENDED = frozenset({*OF_THE_ROW, Gate.CALLER_NUMBER, Gate.EXCLUSION_LIST})
"""What opens by no time that passes: somebody has to mend it before the callback expires."""


class Slot(NamedTuple):
    """When an admitted callback rings, at the earliest. `max_wait`: the EsperaMax to send, in minutes, None as long as
    the task's data is not known; `of_line`: to be kept as the line's last slot."""

    rings_at: datetime
    max_wait: int | None
    of_line: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gates say: admitted (`slot`), put off (`gate` opens at `until`, aware, not before) or ended for good
    (`gate`, no `until`). `reason` says why, without the number; None: admitted."""

    slot: Slot | None
    gate: Gate | None = None
    until: datetime | None = None
    reason: Text | None = None

    @classmethod
    def admitted(cls, slot: Slot) -> Decision:
        """Return that it may ring."""
        return cls(slot)

    @classmethod
    def put_off(cls, gate: Gate, until: datetime, reason: Text) -> Decision:
        """Return that it may ring later; ask again at `until`."""
        return cls(None, gate, until, reason)

    @classmethod
    def ended(cls, gate: Gate, reason: Text) -> Decision:
        """Return that it never rings; asking again is useless."""
        return cls(None, gate, None, reason)

    @property
    def final(self) -> bool:
        """Whether it is ended for good."""
        return self.slot is None and self.until is None

    def text(self, language: Language) -> str:
        """Return the reason in a language."""
        return self.reason.render(language) if self.reason is not None else ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A callback as far as gates look at it. `number` is rung, `customer` is whom it is about; `due` and `expires_at`:
    not before, and not from then on, None for no such limit; `fault`: why the task can't be called as it is; `by_hand`:
    a person had it called; `consent`: why a commercial call may be made."""

    number: Phone
    customer: Phone
    due: datetime | None = None
    expires_at: datetime | None = None
    fault: UnusableTask | None = None
    by_hand: bool = False
    consent: Consent | None = None

    @property
    def numbers(self) -> frozenset[str]:
        """Both numbers, in E.164."""
        return frozenset({self.number.e164, self.customer.e164} - {""})


def candidate(rules: Rules, callback: Callback, task: Task | None = None) -> Candidate:
    """Return a stored callback, as gates look at it; `task`: as it was read since."""
    number = parse(callback.number, rules.line.country)
    customer = parse(callback.customer, rules.line.country) if callback.customer else number
    by_hand, consent, fault = callback.by_hand_at is not None, None, None
    if rules.commercial:
        try:
            consent = rules.consent(task or restored(callback.task_id, callback.task))
        except UnusableTask as error:
            fault = error
    return Candidate(number, customer, callback.due, callback.expires_at, fault, by_hand, consent)


def wished(wish: Wish, *, by_hand: bool = False, expires_at: datetime | None = None) -> Candidate:
    """Return what a task asks for, as gates look at it; `by_hand` and `expires_at` as there."""
    return Candidate(wish.number, wish.customer, wish.due, expires_at, wish.fault, by_hand, wish.consent)


class Listed(Enum):
    """Whether the customer is in a do-not-call list."""

    NO = auto()
    YES = auto()
    UNREADABLE = auto()


class Spoken(Enum):
    """Whether somebody has spoken with a caller since the call was missed. UNKNOWN: there is news of the number that
    has not been taken up."""

    NO = auto()
    YES = auto()
    UNKNOWN = auto()


class LineLoad(NamedTuple):
    """How busy a line is. `last_slot`: of its latest emission, None where there was none; `under_way`: its emitted
    calls that have not ended; `queued`: those of them that are not sent yet."""

    last_slot: datetime | None
    under_way: int
    queued: int


@dataclass(frozen=True, slots=True)
class CommercialFacts:
    """What the lists know of whom a commercial call would ring. `opposed`: somebody there said no to such calls;
    `permitted`: the day of the last check against exclusion lists that permitted every number of it, None: there was
    none; `excluded`: that of the check which found one of them in a list, and none since has permitted it; `unheard`:
    there is news of them that has not been taken up."""

    opposed: bool = False
    permitted: date | None = None
    excluded: date | None = None
    unheard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at this stage; None: not asked so far. `rules` and `now` always are.

    Cheap: `data`, what the task says of its call. From the CRM: `listed`. From the lists of commercial calls, and right
    before ringing always: `commercial`. Under a lock: `called_before`, the id of
    another callback of the task that may have rung (None also where there is none); `spoken`, where it is about missed
    calls; `rung`, when the number was rung,
    or is about to be, by any source, since `counts_since`; `emitted_today`, by the line, since midnight in its zone;
    `load`, of the line.
    """

    rules: Rules
    now: datetime
    data: CallData | None = None
    listed: Listed | None = None
    commercial: CommercialFacts | None = None
    called_before: int | None = None
    spoken: Spoken | None = None
    rung: Sequence[datetime] | None = None
    emitted_today: int | None = None
    load: LineLoad | None = None


def admit(asked: Candidate, facts: Facts) -> Decision:
    """Return whether a callback may ring now, as far as it is known. What ends it for good comes before what puts it
    off; among those that put it off, the first gate in `_GATES` counts."""
    slot, put_off = Slot(facts.now, None, facts.now), None
    for gate in _GATES:
        decision = gate(asked, facts, slot)
        if decision.final:
            return decision
        if decision.slot is None:
            put_off = put_off or decision
        else:
            slot = decision.slot
    return put_off or Decision.admitted(slot)


def counts_since(rules: Rules, at: datetime) -> datetime:
    """Return from when on calls to a number count for one that would ring at this moment."""
    return at - max(_LONGEST_DAY, timedelta(seconds=rules.source.per_number.seconds))


# The gates. Each gets the slot that those before it leave, and hands it on, or keeps the callback back.


def _called_before(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    other = facts.called_before
    if other is None:
        return Decision.admitted(slot)
    return Decision.ended(Gate.CALLED_BEFORE, Text("callback {other} is the same task's", other=str(other)))


def _task(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    fault = asked.fault or (facts.data.fault if facts.data is not None else None)
    return Decision.admitted(slot) if fault is None else Decision.ended(Gate.TASK, fault.reason)


def _number(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Country, kind and what is never called, of the number and of the customer's."""
    line = facts.rules.line
    for phone in dict.fromkeys((asked.number, asked.customer)):
        reason = may_dial(phone, line)
        if reason is not None:
            return Decision.ended(Gate.NUMBER, Text("not called: {reason}", reason=reason))
    return Decision.admitted(slot)


def _listed(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    if facts.listed is Listed.YES:
        return Decision.ended(Gate.DO_NOT_CALL, Text("in the do-not-call list"))
    if facts.listed is Listed.UNREADABLE:
        reason = Text("the do-not-call list can't be read: nobody is called")
        return Decision.put_off(Gate.LIST_AWAY, facts.now + _LIST_AWAY, reason)
    return Decision.admitted(slot)


def _opposed(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    lists = facts.commercial if facts.rules.commercial else None
    if lists is not None and lists.opposed:
        return Decision.ended(Gate.OPPOSED, Text("said no to commercial calls"))
    if lists is not None and lists.unheard:
        return Decision.put_off(Gate.OPPOSED, facts.now + _NEWS, UNHEARD)
    return Decision.admitted(slot)


def _spoken(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    if facts.spoken is Spoken.YES:
        return Decision.ended(Gate.SPOKEN_SINCE, SPOKEN)
    if facts.spoken is Spoken.UNKNOWN:
        return Decision.put_off(Gate.SPOKEN_SINCE, facts.now + _NEWS, UNHEARD)
    return Decision.admitted(slot)


def _expired(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    if asked.expires_at is None or facts.now < asked.expires_at:
        return Decision.admitted(slot)
    return Decision.ended(Gate.EXPIRED, Text("expired before it could be called"))


def _expires(asked: Candidate, facts: Facts) -> datetime:
    """Until when something waits that only a person can mend."""
    return asked.expires_at or facts.now + timedelta(seconds=facts.rules.source.expires)


def _caller_number(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """The number that the call shows, by the rules of the day on which it rings."""
    law = facts.rules.law(slot.rings_at)
    reason = None if law is None else refusal(facts.rules.source.aim, facts.rules.line, facts.rules.configuration, law)
    if reason is None:
        return Decision.admitted(slot)
    return Decision.put_off(Gate.CALLER_NUMBER, _expires(asked, facts), reason)


def _consent(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Why a commercial call may be made, and whether that still counts on the day on which it rings."""
    law = facts.rules.law(slot.rings_at) if facts.rules.commercial else None
    rule = None if law is None else law.bases(automatic=facts.rules.source.automatic)
    consent = asked.consent or Consent()
    if law is None or rule is None or (rule.business and consent.business):
        return Decision.admitted(slot)
    today, until = _day(facts.rules, slot.rings_at), _expires(asked, facts)
    if not consent.basis:
        return Decision.put_off(Gate.CONSENT, until, Text("the row does not say what allows the call (consent: basis)"))
    if not consent.known:
        reason = Text("its basis is neither consent nor legitimate_interest (consent: basis)")
        return Decision.put_off(Gate.CONSENT, until, reason)
    if consent.basis not in rule.accepted:
        reason = Text("a recording speaks, which only consent allows, and its basis is another (consent: basis)")
        return Decision.put_off(Gate.CONSENT, until, reason)
    if consent.on is None:
        reason = (
            Text("the date of its consent can't be read: write it as 2026-11-23 (consent: date)")
            if consent.unread
            else Text("the row does not say when consent was given, or renewed (consent: date)")
        )
        return Decision.put_off(Gate.CONSENT, until, reason)
    if consent.on > today:
        begins = min(until, start_of(consent.on, facts.rules.line.timezone))
        reason = Text("its consent is dated {day:%Y-%m-%d}, which is yet to come", day=_midnight(consent.on))
        return Decision.put_off(Gate.CONSENT, begins, reason)
    age = _outlived(consent, law, today)
    if age is None:
        return Decision.admitted(slot)
    day = _midnight(consent.on)
    reason = (
        Text("its consent of {day:%Y-%m-%d} is older than {months} months: have it renewed", day=day, months=age.months)
        if consent.basis == "consent"
        else Text(
            "the last dealings, of {day:%Y-%m-%d}, are longer ago than {months} months, so legitimate interest is not "
            "presumed: ask for consent",
            day=day, months=age.months,
        )
    )  # fmt: skip
    return Decision.put_off(Gate.CONSENT_OLD, until, reason)


def _outlived(consent: Consent, law: Law, today: date) -> AgeRule | None:
    """What says that it is too old to count; None where it is not, or has no date."""
    age = law.age(consent.basis)
    return age if age is not None and consent.on and today > months_after(consent.on, age.months) else None


def _exclusion_list(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Whether the last check against exclusion lists permitted it, and is not too old. Consent that does not count
    spares no check: that of a company's number, which needs none to be called."""
    law, lists = (facts.rules.law(slot.rings_at) if facts.rules.commercial else None), facts.commercial
    if law is None or lists is None:
        return Decision.admitted(slot)
    consent, today = asked.consent or Consent(), _day(facts.rules, slot.rings_at)
    counts = consent.on is not None and consent.on <= today and _outlived(consent, law, today) is None
    if law.lists(consent.basis if counts else "") is None:
        return Decision.admitted(slot)
    days = int(facts.rules.source.exclusion_max_age // _DAY.total_seconds())
    if lists.permitted is not None and today <= lists.permitted + timedelta(days=days):
        return Decision.admitted(slot)
    if lists.excluded is not None:
        day = _midnight(lists.excluded)
        reason = Text(
            "an exclusion list has this number, by the check of {day:%Y-%m-%d}: only consent allows it", day=day
        )
    elif lists.permitted is None:
        reason = Text(
            "no check against exclusion lists has permitted it: `campaign numbers`, then `campaign permitted`"
        )
    else:
        reason = Text(
            "the last check against exclusion lists that permitted this number, of {day:%Y-%m-%d}, is older than "
            "{days} days (exclusion_max_age)",
            day=_midnight(lists.permitted), days=days,
        )  # fmt: skip
    return Decision.put_off(Gate.EXCLUSION_LIST, _expires(asked, facts), reason)


def _day(rules: Rules, at: datetime) -> date:
    """The day that it is on the line's clock."""
    return at.astimezone(ZoneInfo(rules.line.timezone)).date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _by_hand(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Until a person says so, or it expires."""
    if facts.rules.source.dial == "automatic" or asked.by_hand:
        return Decision.admitted(slot)
    return Decision.put_off(Gate.BY_HAND, _expires(asked, facts), Text("waits for somebody to have it called"))


class _Openings(NamedTuple):
    """Hours that a call has to keep to, by the clocks of `zones`."""

    gate: Gate
    calendar: Calendar
    zones: Sequence[str]


def _hours(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Calling hours by the customer's clock. With `schedule: platform` it may be sent before it is due, and rings then
    or at the opening after that."""
    if facts.data is None:
        return Decision.admitted(slot)
    due = asked.due if facts.rules.source.schedule == "platform" else None
    if due is None or due <= facts.now:
        return _within_hours(asked, facts, facts.data, slot)
    for _ in range(_MOST_OPENINGS):
        decision = _within_hours(asked, facts, facts.data, slot._replace(rings_at=due))
        if decision.until is None:
            break
        due = decision.until
    return decision


def _openings(asked: Candidate, rules: Rules, at: datetime) -> Iterator[_Openings]:
    """All hours that it has to keep to. Those of the law go by the clocks of the customer and of the phone that rings,
    whatever `of` says."""
    law, default = (rules.law(at) if rules.commercial else None), rules.line.timezone
    clocks = dict.fromkeys((*zones_of(asked.customer, default), *zones_of(asked.number, default)))
    for _, calendar in law.hours if law is not None else ():
        yield _Openings(Gate.COMMERCIAL_HOURS, calendar, tuple(clocks))
    yield _Openings(Gate.HOURS, rules.calendar, rules.zones(asked.customer))


def _within_hours(asked: Candidate, facts: Facts, data: CallData, slot: Slot) -> Decision:
    """Cut EsperaMax to what the hours leave, so that neither the wait nor a retry rings after they end."""
    at, max_wait = slot.rings_at, data.max_wait
    for openings in _openings(asked, facts.rules, at):
        gate, calendar, zones = openings
        window = calendar.window(at, zones)
        if window is None:
            reason = Text(
                "the calling hours of {zones} never meet: set `of: line`, or longer hours", zones=", ".join(zones)
            )
            return Decision.ended(gate, reason)
        if window.start > at:
            return _closed(openings, window.start)
        left = (window.end - at - timedelta(minutes=RETRY_MINUTES * data.retries)) // timedelta(minutes=1)
        if left < 1:
            after = calendar.window(window.end, zones)
            return _closed(openings, after.start if after else window.end + _DAY)
        max_wait = min(max_wait, left)
    return Decision.admitted(slot._replace(max_wait=max_wait))


def _closed(openings: _Openings, until: datetime) -> Decision:
    zone = openings.zones[0]
    when = until.astimezone(ZoneInfo(zone))
    reason = (
        Text("no commercial calls by law until {when:%Y-%m-%d %H:%M} ({zone})", when=when, zone=zone)
        if openings.gate is Gate.COMMERCIAL_HOURS
        else Text("outside of calling hours until {when:%Y-%m-%d %H:%M} ({zone})", when=when, zone=zone)
    )
    return Decision.put_off(openings.gate, until, reason)


def _per_number(asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """A rate per day (`3/d`) counts by the calendar of the number's zone, any other by the time that has passed."""
    if facts.rung is None:
        return Decision.admitted(slot)
    rate, at = facts.rules.source.per_number, slot.rings_at
    if rate.seconds == _DAY.total_seconds():
        zone = facts.rules.zones(asked.number)[0]
        today = at.astimezone(ZoneInfo(zone)).date()
        recent = [moment for moment in facts.rung if moment.astimezone(ZoneInfo(zone)).date() == today]
        until = start_of(today + _DAY, zone)
    else:
        span = timedelta(seconds=rate.seconds)
        recent = sorted(moment for moment in facts.rung if moment > at - span)
        until = recent[-rate.times] + span if len(recent) >= rate.times else at
    if len(recent) < rate.times:
        return Decision.admitted(slot)
    reason = Plural(
        "this number was already called {count:,} time (per_number {rate})",
        "this number was already called {count:,} times (per_number {rate})",
        len(recent), rate=str(rate),
    )  # fmt: skip
    return Decision.put_off(Gate.PER_NUMBER, until, reason)


def _per_day(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    line, emitted = facts.rules.line, facts.emitted_today
    if emitted is None or emitted < line.dial.per_day:
        return Decision.admitted(slot)
    today = facts.now.astimezone(ZoneInfo(line.timezone)).date()
    reason = Plural(
        "line {line} called {count:,} time today (dial.per_day)",
        "line {line} called {count:,} times today (dial.per_day)",
        emitted, line=line.number,
    )  # fmt: skip
    return Decision.put_off(Gate.PER_DAY, start_of(today + _DAY, line.timezone), reason)


def _pace(_asked: Candidate, facts: Facts, slot: Slot) -> Decision:
    """Room on the line (`at_once`), and its next slot (`per_minute`)."""
    if facts.load is None:
        return Decision.admitted(slot)
    emission, now = facts.rules.line.emission, facts.now
    pace = LinePace(emission.per_minute, emission.at_once)
    last_slot, under_way, queued = facts.load
    if not pace.room(under_way):
        reason = Plural("{count:,} call is under way (at_once)", "{count:,} calls are under way (at_once)", under_way)
        return Decision.put_off(Gate.PACE, now + _BUSY_LINE, reason)
    of_line = pace.slot(last_slot, now)
    if of_line <= now and pace.waits(queued):
        of_line = now + pace.interval
    if of_line > now:
        return Decision.put_off(Gate.PACE, of_line, Text("the line's pace (per_minute)"))
    return Decision.admitted(slot._replace(of_line=of_line))


_GATES: Sequence[Callable[[Candidate, Facts, Slot], Decision]] = (
    _called_before,
    _task,
    _number,
    _listed,
    _opposed,
    _spoken,
    _expired,
    _caller_number,
    _consent,
    _exclusion_list,
    _by_hand,
    _hours,
    _per_number,
    _per_day,
    _pace,
)
"""All of them, in order."""
