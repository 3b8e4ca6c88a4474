"""What people read about a call, in the configuration's language: durations, amounts, what happened."""

from __future__ import annotations

from decimal import Decimal

from bridge.infocaller.events import INFO, EventMeaning, StatusType, status_type
from bridge.infocaller.messages import StatusEvent
from bridge.infocaller.values import amount as read_amount
from bridge.infocaller.values import seconds
from bridge.texts import Language, Text

_TYPES: dict[StatusType, Text] = {
    StatusType.MESSAGE: Text("Message"),
    StatusType.CALL: Text("Call"),
    StatusType.ANSWERING_MACHINE: Text("Voicemail"),
    StatusType.KEYPAD: Text("Keyed in"),
    StatusType.VOICE: Text("Said"),
    StatusType.MENU: Text("Menu"),
    StatusType.END: Text("End of the call"),
    StatusType.GO_TO: Text("Go to"),
    StatusType.EMAIL: Text("E-mail sent"),
    StatusType.SMS: Text("SMS sent"),
    StatusType.SCRIPT: Text("Script"),
    StatusType.START: Text("Start and rules"),
    StatusType.TRANSFER: Text("Transfer"),
    StatusType.QUEUE: Text("Queue"),
    StatusType.QUERY: Text("Query"),
    StatusType.CONDITION: Text("Condition met"),
    StatusType.AFTER_DIVERSION: Text("Script goes on after the diversion"),
}


def amount(value: Decimal, language: Language) -> str:
    """Return an amount in euro without needless zeros: `0,0465 €`, `€0.0465`; never fewer than two decimals."""
    shortest = value.quantize(Decimal("0.01"))  # the platform's amounts have twelve digits at most
    text = f"{shortest if shortest == value else value.normalize():f}"
    return f"€{text}" if language == "en" else f"{text.replace('.', ',')} €"


def duration(whole: int) -> str:
    """Return seconds as `45 s`, `1 min 15 s`, `2 h 5 min`."""
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def status_line(event: StatusEvent, language: Language) -> str:
    """Return one thing that happened in a call, in words; types that the manual does not name are shown by number."""
    type_ = status_type(event.type)
    number = event.type if event.type is not None else "?"
    head = (_TYPES[type_] if type_ is not None else Text("Action {number}", number=str(number))).render(language)
    details = [_detail(meaning, event.info[place - 1].strip(), language) for place, meaning in _meanings(type_)]
    name = event.name.strip()
    if type_ is StatusType.KEYPAD and name and details[0]:
        name, details = f"{name} = {details[0]}", []
    shown = [part for part in ("" if name.casefold() == head.casefold() else name, *details) if part]
    return head + (f": {', '.join(shown)}" if shown else "")


def _meanings(type_: StatusType | None) -> list[tuple[int, EventMeaning]]:
    return sorted(INFO.get(type_, {}).items()) if type_ is not None else []


def _detail(meaning: EventMeaning, text: str, language: Language) -> str:
    if not text:
        return ""
    if meaning is EventMeaning.SECONDS:
        talked = seconds(text)
        return text if talked is None else duration(talked) if talked else Text("not answered").render(language)
    if meaning is EventMeaning.AMOUNT:
        return _amount(text, language)
    if meaning is EventMeaning.SMS_NOTICE_COST:
        cost = _amount(text, language)
        return Text("SMS notice {cost}", cost=cost).render(language) if cost else ""
    if meaning is EventMeaning.OPTION:
        return Text("option {number}", number=text).render(language)
    if meaning is EventMeaning.RESULT:
        return (Text("went well") if text == "0" else Text("went wrong")).render(language)
    return text


def _amount(text: str, language: Language) -> str:
    """An amount as the platform writes it (with a point or a comma), nothing where it is zero."""
    value = read_amount(text)
    if value is None:
        return text
    return amount(value, language) if value else ""
