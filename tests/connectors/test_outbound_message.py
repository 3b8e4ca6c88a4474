"""Outbound Messages: read without believing them, acknowledged in Salesforce's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from connectors.salesforce.outbound_message import (
    LARGEST,
    Notification,
    UnreadableMessage,
    ack,
    read,
    same_id,
)

ORG = "00D8d0000000001EAA"
SF = "urn:sobject.enterprise.soap.sforce.com"


def notification(number: int = 1, kind: str = "sf:Task", record: str = "00T8d00000000{:02}") -> str:
    return (
        f'<Notification><Id>04l8d00000000{number:02}AAA</Id><sObject xsi:type="{kind}" xmlns:sf="{SF}">'
        f"<sf:Id>{record.format(number)}</sf:Id><sf:Phone__c>600 11 22 33</sf:Phone__c></sObject></Notification>"
    )


def message(*notifications: str, organization: str = ORG, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{organization}</OrganizationId><ActionId>04k8d0000000001AAA</ActionId>"
        '<SessionId xsi:nil="true"/><EnterpriseUrl>https://x</EnterpriseUrl><PartnerUrl>https://x</PartnerUrl>'
        f"{''.join(notifications)}</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def test_a_message_with_several_notifications_is_read_in_order() -> None:
    found = read(message(notification(1), notification(2, "sf:Case")))
    assert found.organization_id == ORG
    assert found.notifications == (
        Notification("04l8d0000000001AAA", "00T8d0000000001", "Task"),
        Notification("04l8d0000000002AAA", "00T8d0000000002", "Case"),
    )


def test_a_hundred_are_read_and_no_more() -> None:
    assert len(read(message(*(notification(n % 100) for n in range(100)))).notifications) == 100
    with pytest.raises(UnreadableMessage, match="101 notifications"):
        read(message(*(notification(n % 100) for n in range(101))))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "no XML"),
        (b"{}", "no XML"),
        (b"<a/>", "no soapenv:Body"),
        (message(), "0 notifications"),
        (message(notification(record="' OR 1=1")), "its Id"),
        (message(notification(kind="")), "its type"),
        (message(notification(), organization="nobody"), "OrganizationId"),
        (message(notification()).replace(b"<Id>04l8d0000000001AAA</Id>", b""), "lacks its Id"),
        (message(notification()).replace(b"<sf:Id>", b"<sf:Id>00T8d0000000002</sf:Id><sf:Id>"), "its Id"),
        (message(notification()) + b"x", "no XML"),
        (b" " * (LARGEST + 1), "larger than"),
        (message(notification())[:-40], "no XML"),
    ],
)
def test_what_is_no_outbound_message_says_why(body: bytes, text: str) -> None:
    with pytest.raises(UnreadableMessage, match=text):
        read(body)


@pytest.mark.parametrize(
    "dtd",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_a_doctype_is_refused(dtd: str) -> None:
    with pytest.raises(UnreadableMessage):
        read(message(notification(), before=dtd))
    with pytest.raises(UnreadableMessage):
        read(message(notification(kind="&f;"), before=dtd))


def test_depth_and_length_are_bounded() -> None:
    with pytest.raises(UnreadableMessage):
        read(b"<a>" * 100_000)
    with pytest.raises(UnreadableMessage):
        read(message(notification() + "<x>" * 5000 + "</x>" * 5000))


@given(st.binary(max_size=400))
def test_whatever_comes_it_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        read(body)


@given(st.integers(0, 900), st.binary(max_size=8))
def test_a_damaged_message_is_read_or_refused(place: int, noise: bytes) -> None:
    whole = message(notification())
    try:
        found = read(whole[:place] + noise + whole[place + len(noise) :])
    except UnreadableMessage:
        return
    assert len(found.notifications) == 1


@pytest.mark.parametrize(("ok", "word"), [(True, "true"), (False, "false")])
def test_the_acknowledgement_is_in_salesforces_words(ok: bool, word: str) -> None:
    root = etree.fromstring(ack(ok))
    assert root.tag == "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
    outbound = "{http://soap.sforce.com/2005/09/outbound}"
    assert root.findtext(f".//{outbound}notificationsResponse/{outbound}Ack") == word


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ORG, ORG[:15], True),
        (ORG, ORG, True),
        (ORG[:15], ORG[:14] + "2", False),
        ("00D8d000000abcd", "00D8d000000ABCD", False),
        ("", "", False),
        (ORG[:14], ORG[:14], False),
    ],
)
def test_ids_are_compared_by_15_characters_and_case(one: str, other: str, *, same: bool) -> None:
    assert same_id(one, other) is same
