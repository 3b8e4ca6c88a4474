"""What the tests of Queries ask about, and where what they save goes."""

from __future__ import annotations

from collections.abc import Callable

from bridge.queries.answering import Answered, ToSave
from bridge.store.oppositions import NewOpposition
from connectors.base import Deadline, TimedOut, Unavailable
from connectors.phone import Phone, parse
from connectors.steps import Steps, Wait, here
from tests.fakes.connector import Handheld

ANA = {"id": "1", "name": "Ana Ñuño", "phone": "600 111 222", "agent_phone": "911 000 001", "key": "ana"}
EVA = {"id": "2", "name": "Eva", "phone": "+34 600222333", "key": "eva"}
ORDER = {"id": "o1", "key": "00077", "status": "Enviado", "contact_id": "1"}
CALLER = parse("600111222", "ES")
BY_CALLER = {"contact": {"in": "crm", "phone": "{{ caller }}"}}
BY_ORDER = {"order": {"in": "crm", "key": "{{ vars.PEDIDO }}"}}

Ask = Callable[..., Answered]


class Kept:
    """Where `save:` steps go."""

    def __init__(self) -> None:
        self.saved: list[ToSave] = []
        self.opposed: list[NewOpposition] = []
        self.error: Exception | None = None

    def __call__(self, saved: ToSave | NewOpposition, deadline: Deadline) -> Steps[str]:
        if self.error is not None:
            raise self.error
        if isinstance(saved, NewOpposition):
            yield Wait(here(lambda: self.opposed.append(saved)), deadline)
            return "4829175036"
        yield Wait(here(lambda: self.saved.append(saved)), deadline)
        return ""


def broken(crm: Handheld, outcome: str) -> Phone:
    """Have the CRM bring about an outcome; the caller to ask for."""
    crm.error = {"on_error": Unavailable("away"), "on_timeout": TimedOut("slow")}.get(outcome)
    if outcome == "ambiguous":
        crm.records["contact"] = [ANA, {**ANA, "id": "3"}]
    return parse("699999999", "ES") if outcome == "not_found" else CALLER
