"""What the tests of the REST connector have in common: a connector opened on the pretended CRM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.base import Context, Deadline, LookupQuery, Record
from connectors.phone import parse
from connectors.rest import RestConnector, RestOptions
from tests.fakes.rest_crm import RestCrm, customer, order

GENEROUS = 30.0
CALLER = parse("600112233", "ES")


def section(url: str, **more: Any) -> dict[str, Any]:
    """A section that uses most of what there is."""
    return {
        "type": "rest",
        "base_url": url,
        "records": {
            "contact": {
                "phones": ["phone", "mobile"],
                "search": {"path": "/customers", "params": {"q": "{{ phone.digits | last(9) }}"}},
                "items": "data",
                "fields": {"id": "id", "name": "full_name", "phone": "phone", "agent_phone": "owner.phone"},
                "newest": "changed",
            },
            "order": {
                "search": [
                    {"name": "ref", "path": "/orders/by-number/{{ key }}", "items": "data[]"},
                    {"path": "/orders/{{ ref.id }}"},
                ],
                "fields": {"id": "id", "status": "state.label"},
            },
            "survey": {
                "create": {
                    "path": "/surveys",
                    "json": {"key": "{{ key }}", "phone": "{{ field.phone }}", "score": "{{ field.score }}"},
                    "already": 409,
                },
                "find": {"path": "/surveys", "params": {"key": "{{ key }}"}, "items": "data", "key": "key"},
                "update": {
                    "method": "PATCH",
                    "path": "/surveys/{{ found.id }}",
                    "json": {"phone": "{{ field.phone }}", "score": "{{ field.score }}"},
                },
            },
        },
        "activity": {
            "find": {"path": "/calls", "params": {"key": "{{ activity.key }}"}, "items": "data"},
            "create": {
                "path": "/calls",
                "json": {
                    "key": "{{ activity.key }}",
                    "subject": "{{ activity.subject }}",
                    "note": "{{ activity.note }}",
                    "seconds": "{{ activity.seconds }}",
                    "customer": "{{ contact.id }}",
                    "at": "{{ activity.start }}",
                    "cost": "{{ activity.cost }}",
                    "caller": "{{ caller }}",
                },
                "already": {"status": 409, "when": "code == 'duplicate'"},
            },
            "update": {
                "method": "PATCH",
                "path": "/calls/{{ found.id }}",
                "json": {"subject": "{{ activity.subject }}", "seconds": "{{ activity.seconds }}"},
            },
        },
        "tasks": {
            "list": {"path": "/tasks", "params": {"status": "open"}},
            "items": "data",
            "fields": {"id": "id", "phone": "phone", "due": "due_at", "status": "status"},
            "read": {"path": "/tasks/{{ task.id }}"},
            "update": [
                {"name": "now", "path": "/tasks/{{ task.id }}"},
                {
                    "method": "PATCH",
                    "path": "/tasks/{{ task.id }}",
                    "headers": {"If-Match": "{{ now.etag }}"},
                    "json": {"status": "{{ outcome.status }}", "note": "{{ outcome.text }}"},
                    "again_on": [412],
                },
            ],
            "statuses": {"claimed": "working", "answered": "done"},
        },
        **more,
    }


class Opened:
    """A connector with what was seen of its requests."""

    def __init__(self, crm: RestCrm, options: dict[str, Any], **context: Any) -> None:
        self.seen: list[str] = []
        self.crm = crm
        given = replace(Context(folder=Path(), see=self.seen.append), **context)
        self.connector = RestConnector("crm", RestOptions.model_validate(options), given)

    def contacts(self, number: str = "600112233", seconds: float = GENEROUS, **more: Any) -> list[Record]:
        wanted = LookupQuery("contact", phone=parse(number, "ES"), **more)
        return list(self.connector.find(wanted, Deadline.after(seconds)))

    def names(self, number: str = "600112233") -> list[object]:
        return [record.fields["name"] for record in self.contacts(number)]

    def orders(self, key: str, **more: Any) -> list[Record]:
        return list(self.connector.find(LookupQuery("order", key=key, **more), Deadline.after(GENEROUS)))


def filled(crm: RestCrm) -> RestCrm:
    """Ana, Luis and a few whose numbers end like Ana's; two orders."""
    crm.store.customers = [
        customer(1, "Near miss", "+33 6 00 11 22 33"),
        customer(2, "Ana", "600 11 22 33"),
        customer(3, "Other", "911002233"),
        customer(4, "Luis", "", "+34677888999"),
    ]
    crm.store.orders = [order(7, "00077", "Enviado"), order(8, "77", "Nuevo")]
    return crm


@contextlib.contextmanager
def opened(crm: RestCrm, **more: Any) -> Iterator[Opened]:
    """A connector on this CRM; keys given take the place of the usual section's."""
    context = more.pop("context", {})
    one = Opened(crm, section(crm.url, **more), **context)
    with contextlib.closing(one.connector):
        yield one
