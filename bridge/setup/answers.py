"""Single answers: what they come to, and why some can't be taken."""

from __future__ import annotations

from bridge.config.dial import may_dial
from bridge.config.dotenv import written
from bridge.config.model import Line
from bridge.errors import BridgeError
from bridge.infocaller.signature import inbound
from bridge.setup.columns import is_extension
from bridge.texts import Text
from connectors.phone import parse

COUNTRY = "ES"


class AnswerRefused(BridgeError):
    """An answer can't be taken; `reason` says why, for people."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def line_number(text: str) -> str:
    """Return a line's number as the platform writes it. Raises `AnswerRefused`."""
    phone = parse(text, COUNTRY)
    if phone and phone.country == COUNTRY:
        return phone.national
    digits = "".join(character for character in text if character not in " .-()/")
    if not (digits.isascii() and digits.isdigit() and 3 <= len(digits) <= 15):
        raise AnswerRefused(Text("this is no telephone number: write it as 912345678"))
    return digits


def password(text: str) -> str:
    """Return a telephone password. Raises `AnswerRefused`."""
    if not text.strip():
        raise AnswerRefused(Text("it can't be empty"))
    try:
        written("PASSWORD", text)
        inbound("", "", text)
    except (ValueError, BridgeError):
        raise AnswerRefused(Text("it has characters that no telephone password has")) from None
    return text


def secret(text: str) -> str:
    """Return another secret, such as a CRM's key. Raises `AnswerRefused`."""
    if not text.strip():
        raise AnswerRefused(Text("it can't be empty"))
    try:
        written("SECRET", text)
    except ValueError:
        raise AnswerRefused(Text("it has characters that can't be written down")) from None
    return text.strip()


def destination(text: str, line: str) -> tuple[str, str]:
    """Return whom a call is put through to: the extension or number, and what kind of rule it needs: `extension`,
    `number`, or `allow` for a number that the line does not call without being told. Empty for nobody. Raises
    `AnswerRefused`."""
    text = "".join(text.split())
    if not text:
        return "", ""
    phone = parse(text, COUNTRY)
    if not phone or is_extension(text, COUNTRY):
        if not is_extension(text, COUNTRY):
            raise AnswerRefused(Text("write an extension (up to six digits) or a telephone number"))
        return text, "extension"
    if phone.same(parse(line, COUNTRY)):
        raise AnswerRefused(Text("this is the line itself: a call would come back to it"))
    if may_dial(phone, _line(line)) is None:
        return phone.national if phone.country == COUNTRY else phone.e164, "number"
    reason = may_dial(phone, _line(line, phone.e164))
    if reason is not None:
        raise AnswerRefused(Text("a call can't be put through to it: {reason}", reason=reason))
    return phone.e164, "allow"


def _line(number: str, *allowed: str) -> Line:
    return Line.model_validate({"number": number, "password": "-", "dial": {"allow": list(allowed)}})
