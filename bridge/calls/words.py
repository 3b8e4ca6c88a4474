"""What people read about a call, in the configuration's language: durations, amounts, what happened."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from bridge.infocaller.events import INFO, Meaning, StatusType, status_type
from bridge.infocaller.messages import StatusEvent
from bridge.infocaller.values import amount as read_amount
from bridge.infocaller.values import seconds

Language = Literal["es", "en"]

_TYPES: dict[StatusType, tuple[str, str]] = {
    StatusType.MESSAGE: ("mensaje", "message"),
    StatusType.CALL: ("llamada", "call"),
    StatusType.ANSWERING_MACHINE: ("contestador", "voicemail"),
    StatusType.KEYPAD: ("dato marcado", "keyed in"),
    StatusType.VOICE: ("dato por voz", "said"),
    StatusType.MENU: ("menú", "menu"),
    StatusType.END: ("fin de llamada", "end of the call"),
    StatusType.GO_TO: ("ir a", "go to"),
    StatusType.EMAIL: ("correo enviado", "e-mail sent"),
    StatusType.SMS: ("SMS enviado", "SMS sent"),
    StatusType.SCRIPT: ("guion", "script"),
    StatusType.START: ("inicio y reglas", "start and rules"),
    StatusType.TRANSFER: ("transferencia", "transfer"),
    StatusType.QUEUE: ("cola de espera", "queue"),
    StatusType.QUERY: ("consulta", "Query"),
    StatusType.CONDITION: ("condición cumplida", "condition met"),
    StatusType.AFTER_DIVERSION: ("sigue el guion tras el desvío", "script goes on after the diversion"),
}

_PHRASES: dict[str, tuple[str, str]] = {
    "received": ("Llamada recibida", "Call received"),
    "emitted": ("Llamada emitida", "Call made"),
    "from": ("de", "from"),
    "to": ("a", "to"),
    "hidden": ("número oculto", "hidden number"),
    "unknown": ("número desconocido", "unknown number"),
    "answered_by": ("atendida en", "answered at"),
    "not_answered": ("sin contestar", "not answered"),
    "incomplete": ("el final no se recibió", "its end was never heard"),
    "cost": ("coste", "cost"),
    "sms_notice": ("aviso por SMS", "SMS notice"),
    "option": ("opción", "option"),
    "failed": ("con error", "went wrong"),
    "good": ("correcta", "went well"),
    "kind": ("acción", "action"),
    "variables": ("Variables", "Variables"),
    "diverted": ("desvío contestado", "put through, answered"),
    "diversion_failed": ("desvío fallido", "not put through"),
}


def phrase(name: str, language: Language) -> str:
    """A fixed phrase. Raises KeyError for one that there is not."""
    return _PHRASES[name][language == "en"]


def amount(value: Decimal, language: Language) -> str:
    """An amount in euro without needless zeros: `0,0465 €`, `€0.0465`; never fewer than two decimals."""
    shortest = value.quantize(Decimal("0.01"))  # the platform's amounts have twelve digits at most
    text = f"{shortest if shortest == value else value.normalize():f}"
    return f"€{text}" if language == "en" else f"{text.replace('.', ',')} €"


def duration(whole: int) -> str:
    """Seconds as `45 s`, `1 min 15 s`, `2 h 5 min`."""
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def status_line(event: StatusEvent, language: Language) -> str:
    """One thing that happened in a call, in words; types that the manual does not name are shown by number."""
    known = status_type(event.type)
    if known is None:
        head = f"{phrase('kind', language)} {event.type if event.type is not None else '?'}"
    else:
        head = _TYPES[known][language == "en"]
    details = [_detail(meaning, event.info[place - 1].strip(), language) for place, meaning in _meanings(known)]
    name = event.name.strip()
    if known is StatusType.KEYPAD and name and details[0]:
        name, details = f"{name} = {details[0]}", []
    said = [part for part in ("" if name.casefold() == head.casefold() else name, *details) if part]
    return f"{head[:1].upper()}{head[1:]}" + (f": {', '.join(said)}" if said else "")


def _meanings(known: StatusType | None) -> list[tuple[int, Meaning]]:
    return sorted(INFO.get(known, {}).items()) if known is not None else []


def _detail(meaning: Meaning, text: str, language: Language) -> str:
    if not text:
        return ""
    if meaning is Meaning.SECONDS:
        talked = seconds(text)
        return text if talked is None else duration(talked) if talked else phrase("not_answered", language)
    if meaning is Meaning.AMOUNT:
        return _amount(text, language)
    if meaning is Meaning.SMS_NOTICE_COST:
        cost = _amount(text, language)
        return f"{phrase('sms_notice', language)} {cost}" if cost else ""
    if meaning is Meaning.OPTION:
        return f"{phrase('option', language)} {text}"
    if meaning is Meaning.RESULT:
        return phrase("good" if text == "0" else "failed", language)
    return text


def _amount(text: str, language: Language) -> str:
    """An amount as the platform writes it (with a point or a comma), nothing where it is zero."""
    value = read_amount(text)
    if value is None:
        return text
    return amount(value, language) if value else ""
