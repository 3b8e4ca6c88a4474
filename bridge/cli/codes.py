"""The words of the program for how things stand, which options and `--json` have as they are, for people."""

from __future__ import annotations

from bridge.cli.language import language, words
from bridge.texts import Text

_CODES = {
    code.message: code
    for code in (
        # callbacks
        Text("waiting"), Text("queued"), Text("sending"), Text("answered"), Text("busy"),
        Text("no_answer"), Text("failed"), Text("no_outcome"), Text("rejected"), Text("cancelled"), Text("expired"),
        Text("may_have_rung"),
        # what keeps them back
        Text("called_before"), Text("task"), Text("number"), Text("do_not_call"), Text("list_away"),
        Text("spoken_since"), Text("by_hand"), Text("hours"), Text("per_number"), Text("per_day"), Text("pace"),
        Text("consent"), Text("consent_old"), Text("exclusion_list"), Text("opposed"), Text("commercial_hours"),
        Text("line"), Text("source"), Text("platform"),
        # lines, sources and campaigns
        Text("running"), Text("paused"), Text("stopped"), Text("held"), Text("over"),
        # jobs
        Text("pending"), Text("done"), Text("discarded"), Text("activity"), Text("save"), Text("report"),
        # calls
        Text("open"), Text("incomplete"), Text("hidden"), Text("unknown"),
        # Queries
        Text("found"), Text("not found"), Text("ambiguous"), Text("down"), Text("late"), Text("shown"), Text("kept"),
        Text("on error"), Text("on timeout"), Text("unknown query"), Text("not_found"), Text("on_error"),
        Text("on_timeout"), Text("unknown_query"),
        # figures of `simulate burst`
        Text("per second"),
    )
}  # fmt: skip
_SINGLE = {
    "received": Text("a received call"), "emitted": Text("an emitted call"), "calls": Text("calls placed"),
    "accepted": Text("accepted by the platform"), "dead": Text("given up on"),
}  # fmt: skip
"""Those that are said of one thing, or of several, in another way."""


def code(word: str) -> str:
    """Return what such a word means; one that is not known, as it is."""
    if language() == "en":
        return word
    text = _SINGLE.get(word) or _CODES.get(word)
    return word if text is None else words(text)
