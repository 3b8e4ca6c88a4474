"""*Connect*: what to paste into the platform's panel, and whether the platform calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from werkzeug.wrappers import Response

from bridge.infocaller.panel import panel_addresses
from bridge.store import panelurls
from bridge.store.panelurls import LastCalled
from bridge.texts import Text
from bridge.web.console import words
from bridge.web.console.context import here, render
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("connect", Text("Connect"), path="connect", order=80)

_EVENTS = {
    "inicio": Text("when a call comes in, before anything else"),
    "desvio_correcto": Text("when somebody answered"),
    "desvio_fallido": Text("when nobody answered, or the line was busy"),
    "fin": Text("when the call is over"),
}
_KINDS = {"query": Text("a Query"), "event": Text("an event"), "other": Text("something else")}


@dataclass(frozen=True, slots=True)
class _Address:
    """An address with what is known of it: `calls` of each line."""

    name: str
    about: Text | None
    url: str
    calls: Sequence[LastCalled]

    @property
    def never(self) -> bool:
        """Whether the platform never called it with success."""
        return all(call.called_at is None for call in self.calls)


@section.page("connect")
def show() -> Response:
    """Show the addresses, when each was called, and what to set in the panel."""
    visit = here()
    with visit.parts.database.read() as connection:
        stored = panelurls.last_called(connection)
    keys = visit.configuration.server.url_key
    key = "" if not keys else "•••" if visit.masked else keys[0].get_secret_value()
    base = visit.address
    addresses = [
        _Address(
            each.name, _EVENTS.get(each.name), each.url,
            [call for call in stored if (call.url.kind, call.url.name) == (each.kind, each.name)],
        )
        for each in panel_addresses(base, key, visit.configuration.queries)
    ]  # fmt: skip
    events, queries = addresses[: len(_EVENTS)], addresses[len(_EVENTS) :]
    names = {(kind, each.name) for kind, those in (("event", events), ("query", queries)) for each in those}
    stray = [call for call in stored if (call.url.kind, call.url.name) not in names and call.error_at is not None]
    return render(
        "connect/show.html", words=words, events=events, queries=queries, stray=stray, kinds=_KINDS, base=base,
        public=visit.configuration.console.url is not None, secret=bool(keys),
    )  # fmt: skip
