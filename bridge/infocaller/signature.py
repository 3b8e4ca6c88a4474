"""Signatures (manual, API Informativa III, API de Emisión II, Appendix I): MD5 of ISO-8859-1 bytes, lower-case hex.

The telephone password is four digits, so a signature keeps nobody out who has seen one: see the bridge's URL key.
"""

from __future__ import annotations

import hashlib
import hmac

from bridge.errors import ProtocolError
from bridge.infocaller.messages import Document


def inbound(line_number: str, call_sequence: str, password: str) -> str:
    """Return the `Signature` of a Query or event: LineNumber + CallSequence + telephone password.

    ProtocolError where a character is outside ISO-8859-1: the platform has no such character, so nothing is signed so.
    """
    return _md5(line_number, call_sequence, password)


def emission(line_number: str, password: str) -> str:
    """Return the `firma` of an emission request: idinfocaller + telephone password. ProtocolError as for `inbound`."""
    return _md5(line_number, password)


def matches(document: Document, password: str) -> bool:
    """Return whether the document's signature is the line's. In constant time, hex in either case; never fails: what
    can't be signed (characters outside ISO-8859-1) matches nothing."""
    try:
        expected = inbound(document.line_number, document.call_sequence, password)
    except ProtocolError:
        return False
    received = document.signature.strip().lower().encode("utf-8", "replace")
    return hmac.compare_digest(expected.encode(), received)


def _md5(*parts: str) -> str:
    try:
        signed = "".join(parts).encode("iso-8859-1")
    except UnicodeEncodeError:
        raise ProtocolError(
            "no signature can be made: the number, CallSequence or telephone password goes beyond ISO-8859-1"
        ) from None
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()  # the algorithm is the platform's, not our choice
