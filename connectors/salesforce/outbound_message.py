"""Salesforce's Outbound Messages: the SOAP that comes, and the acknowledgement that goes back. No I/O.

Only the ids in a message are to be believed, and of those only that such a record is to be looked at: fields hold what
the record said when it was sent, and whoever knows the URL can send anything. Repeats are normal and carry the same
notification id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

LARGEST = 1024 * 1024
MOST = 100
"""Notifications that one message may hold."""
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"(?:[A-Za-z_][\w.-]*:)?([A-Za-z]\w{0,79})", re.ASCII)
CONTENT_TYPE = "text/xml; charset=utf-8"


class UnreadableMessage(ValueError):
    """This is no Outbound Message; the text says why."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One record that something happened to. `id` is the same when it is sent again."""

    id: str
    record_id: str
    object: str


@dataclass(frozen=True, slots=True)
class Notifications:
    """A message: the org that it says it comes from, and 1 to 100 notifications, as they stand in it."""

    organization_id: str
    notifications: tuple[Notification, ...]


def read(body: bytes) -> Notifications:
    """Return what a message says. Raises `UnreadableMessage`."""
    if len(body) > LARGEST:
        raise UnreadableMessage(f"the message is larger than {LARGEST} bytes")
    root = _parsed(body)
    bodies = root.findall(f"{{{_SOAP}}}Body/{{{_OUTBOUND}}}notifications")
    if root.tag != f"{{{_SOAP}}}Envelope" or len(bodies) != 1:
        raise UnreadableMessage("the message has no soapenv:Body with notifications")
    organization = _text(bodies[0], f"{{{_OUTBOUND}}}OrganizationId")
    if not _ID.fullmatch(organization):
        raise UnreadableMessage("the message has no OrganizationId")
    notifications = bodies[0].findall(f"{{{_OUTBOUND}}}Notification")
    if not 1 <= len(notifications) <= MOST:
        raise UnreadableMessage(f"the message has {len(notifications)} notifications, not 1 to {MOST}")
    return Notifications(organization, tuple(_notification(notification) for notification in notifications))


def ack(ok: bool) -> bytes:
    """Return the answer: true once all of it is on disk. Without it, or with false, the whole message is sent again."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_SOAP}"><soapenv:Body>'
        f'<notificationsResponse xmlns="{_OUTBOUND}"><Ack>{"true" if ok else "false"}</Ack></notificationsResponse>'
        "</soapenv:Body></soapenv:Envelope>"
    ).encode()


def same_id(left: str, right: str) -> bool:
    """Return whether two ids, of 15 or 18 characters, are the same record's. The case of letters matters."""
    return bool(_ID.fullmatch(left)) and bool(_ID.fullmatch(right)) and left[:15] == right[:15]


def _parsed(body: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableMessage(f"the message is no XML: {str(error)[:200]}") from None
    if etree.ElementTree(root).docinfo.internalDTD is not None:
        raise UnreadableMessage("the message has a DOCTYPE, which none of Salesforce's has")
    return root


def _text(parent: etree._Element, tag: str) -> str:
    return (parent.findtext(tag) or "").strip()


def _notification(element: etree._Element) -> Notification:
    name = _text(element, f"{{{_OUTBOUND}}}Id")
    record = element.find(f"{{{_OUTBOUND}}}sObject")
    if record is None or not _ID.fullmatch(name):
        raise UnreadableMessage("a Notification lacks its Id or its sObject")
    kind = _NAME.fullmatch(record.get(_TYPE) or "")
    ids = [str(child.text or "").strip() for child in record if etree.QName(child).localname == "Id"]
    if kind is None or len(ids) != 1 or not _ID.fullmatch(ids[0]):
        raise UnreadableMessage("an sObject lacks its type or its Id")
    return Notification(name, ids[0], kind[1])
