"""What the bridge itself offers under the name of a connector, as far as a configuration has to know it. A connector
that somebody gave the same name wins."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import Capabilities

CALLS = "calls"
"""The bridge's own calls, in `find:`."""
OPPOSITIONS = "oppositions"
"""Those who do not want to be called for business, in a Query's `save:`."""
MISSED_CALLS = "missed_calls"
"""The tasks that it makes of missed calls, in `callbacks:`."""
CALL_TABLES: Mapping[str, str] = {
    "last": "the last call with the number, received or emitted",
    "answered": "the last one that somebody answered, received or emitted",
    "missed": "the last one received that nobody answered, if nobody has spoken with the number since",
}
"""What can be looked up of calls, and what it finds."""
PAST_CALL_FIELDS: Mapping[str, str] = {
    "id": "the platform's id of the call (CallSequence)",
    "start": "when it began, on the clock of the line that asks",
    "days_ago": "how many days ago that was, with a fraction: 0.5 is twelve hours",
    "direction": "received or emitted",
    "seconds": "how long it lasted",
    "answered_by": "the number or extension that answered last, empty if none did",
    "line": "the line's main number",
    "called": "our own number in it, as the platform writes it",
    "count": "how many calls with the number are kept, received or emitted",
    "today": "how many of them were received today, on the clock of the line that asks",
}
"""What is known of each, and what it means."""
MISSED_CALL_FIELDS: Mapping[str, str] = {
    "id": "the task's own id",
    "phone": "who called, in E.164",
    "count": "how many calls were missed since somebody last spoke with the number, or called it back",
    "first": "when the first of them began, on the line's clock",
    "last": "when the last of them ended",
    "due": "that moment, and `after` later",
    "called": "our own number that the last one was for, as the platform writes it",
    "line": "the line's main number",
    "answered_by": "the number or extension that answered the number's last call before, empty if none did",
}
"""What a task of missed calls has, and what it means."""

BUILT_IN: Mapping[str, Capabilities] = {
    CALLS: Capabilities(
        by_phone=frozenset(CALL_TABLES), fields=dict.fromkeys(CALL_TABLES, frozenset(PAST_CALL_FIELDS))
    ),
    OPPOSITIONS: Capabilities(),
    MISSED_CALLS: Capabilities(tasks=True, task_fields=frozenset(MISSED_CALL_FIELDS)),
}
"""What can be asked of each."""

BUILT_IN_WORDS: Mapping[str, str] = {
    CALLS: "the bridge's own calls",
    OPPOSITIONS: "the oppositions that the bridge itself keeps",
    MISSED_CALLS: "the calls that the bridge itself saw missed",
}
"""What each is, for a sentence."""
