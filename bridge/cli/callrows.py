"""Calls as rows for a spreadsheet: what the accountant gets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from bridge.config.model import Line
from bridge.store.calls import Call
from connectors.csv.output import cell

COLUMNS: Mapping[str, str] = {
    "id": "the bridge's number of the call (`calls show`)",
    "line": "the line's main number",
    "call_sequence": "the platform's id of the call (CallSequence)",
    "direction": "received or emitted",
    "number": "the other party, international; empty: hidden or no number",
    "our_number": "our number that was called, or that called",
    "start": "when it began, on the line's own clock",
    "end": "when it ended, on the line's own clock; empty: not known",
    "utc_offset": "of that clock at the start, such as +01:00",
    "seconds": "how long it lasted; empty: not known",
    "answered": "yes, no, or empty: nobody was to be reached",
    "answered_by": "the last extension or number that answered",
    "cost_rx": "what receiving it cost, without tax",
    "cost_tx": "what emitting it cost, without tax",
    "cost": "both together",
    "state": "over; open: still going on; incomplete: its end was never heard",
    "idcall": "the platform's id of the emission request that it came of",
}
"""The columns, in order, and what each means."""

_WORDS = {True: "yes", False: "no", None: ""}


def row(stored: Call, line: Line, comma: bool = False) -> list[str]:
    """Return a call's cells, in the order of `COLUMNS`. `comma`: amounts have a decimal comma. Texts that a spreadsheet
    would take for a formula get a `'` before them."""
    zone, call = ZoneInfo(line.timezone), stored.call
    start = stored.started_at.astimezone(zone) if stored.started_at else None
    values: dict[str, object] = {
        "id": stored.id,
        "line": stored.line,
        "call_sequence": stored.call_sequence,
        "direction": stored.direction,
        "number": stored.e164,
        "our_number": call.called,
        "start": _local(start),
        "end": _local(stored.ended_at.astimezone(zone) if stored.ended_at else None),
        "utc_offset": "",
        "seconds": stored.seconds,
        "answered": _WORDS[call.answered],
        "answered_by": call.answered_by,
        "state": stored.state.value,
        "idcall": stored.idcall,
    }
    plain = {name: cell(value) for name, value in values.items()}
    plain["utc_offset"] = start.isoformat()[-6:] if start else ""
    for name, amount in (("cost_rx", call.cost_rx), ("cost_tx", call.cost_tx), ("cost", call.cost)):
        plain[name] = "" if amount is None else f"{amount:f}".replace(".", "," if comma else ".")
    return [plain[name] for name in COLUMNS]


def _local(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
