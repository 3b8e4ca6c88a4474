"""What can be done about a trouble from the console: a button, or the page where it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.texts import Text
from bridge.troubles import Trouble


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about a trouble. `action`: the address of a form with `fields`, `sure` asks before; without it,
    `section` is the page to see."""

    label: Text
    action: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    sure: Text | None = None
    section: str = ""


_PAGES: Mapping[str, tuple[str, Text]] = {
    "may_have_rung": ("callbacks", Text("See the callbacks")),
    "claims": ("callbacks", Text("See the callbacks")),
    "source": ("callbacks", Text("See the callbacks")),
    "pop": ("config", Text("See the configuration")),
    "configuration": ("config", Text("See the configuration")),
    "table": ("config", Text("See the configuration")),
    "signature": ("connect", Text("See the panel's addresses")),
    "unknown_line": ("connect", Text("See the panel's addresses")),
    "url_key": ("connect", Text("See the panel's addresses")),
    "address": ("config", Text("See the configuration")),
    "unknown_query": ("connect", Text("See the panel's addresses")),
    "quiet": ("connect", Text("See the panel's addresses")),
    "jobs_late": ("work", Text("See the work")),
}
_RESTORED = Text("Has each host that emits started once since? Who rang before the backup is not called again.")


def remedies(trouble: Trouble) -> list[Remedy]:
    """Return what can be done about a trouble, the first thing first."""
    kind, _, subject = trouble.id.partition(":")
    offered: list[Remedy] = []
    if kind in ("line", "restored") and subject:
        sure = _RESTORED if kind == "restored" else None
        offered.append(Remedy(Text("Resume the line"), "/console/lines/resume", {"line": subject}, sure))
    if kind == "source" and subject:
        offered.append(Remedy(Text("Resume the source"), "/console/sources/resume", {"source": subject}))
    if kind in ("jobs_dead", "crm") and subject:
        offered.append(Remedy(Text("Try again now"), "/console/jobs/retry", {"connector": subject}))
        offered.append(Remedy(Text("See the work"), section="work"))
    if kind in _PAGES:
        section, label = _PAGES[kind]
        offered.append(Remedy(label, section=section))
    return offered
