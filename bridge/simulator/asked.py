"""An emission request as the platform reads it: strictly by the manual, so that what we write wrong is found out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from lxml import etree

from bridge.infocaller.emission import LONGEST_WAIT, MOST_RETRIES
from bridge.infocaller.messages import Format
from bridge.infocaller.signature import emission
from bridge.infocaller.variables import unescape, valid_name
from bridge.infocaller.xml_document import NAMESPACE
from connectors.phone import parse

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_FORBIDDEN = re.compile(r"[<>\"']|&(?!(?:amp|lt|gt|quot|apos);)|[^ -~\u00a0-\u00ff]")
_XML_FORBIDDEN = re.compile("[^ -~\u00a0-\u00ff]")


class EmissionRefused(Exception):
    """The platform does not take this request; `result` is its Resultado."""

    def __init__(self, result: int) -> None:
        super().__init__(f"Resultado {result}")
        self.result = result


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request (manual, API de Emisión I and II). `number` in E.164; `at` None: now; `max_wait` in minutes; what was
    not given has the platform's own default. `firma` as it came."""

    line: str
    number: str
    rule_group: str
    format: Format
    at: datetime | None = None
    max_wait: int = 5
    retries: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    firma: str = field(default="", repr=False)


def format_of(body: bytes) -> Format:
    """Return the format to answer in: that of the request, JSON where there is none."""
    return Format.XML if body.startswith(b"apiCALLxml=") else Format.JSON


def read(
    body: bytes, lines: Mapping[str, str], country: str = "ES", groups: Collection[str] | None = None
) -> ReceivedRequest:
    """Return the request in the body of a POST, for one of `lines` (number to telephone password). `country`: where
    numbers without `+` are; `groups`: the rule groups that there are, None for any. Raises `EmissionRefused`."""
    form = dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, encoding="iso-8859-1"))
    for name, what in (("apiCALLjson", Format.JSON), ("apiCALLxml", Format.XML)):
        if name in form:
            user, data = (_json if what is Format.JSON else _xml)(form[name])
            _identify(user, lines)
            return _asked(user, data, what, country, groups)
    raise EmissionRefused(-99)


_Texts = dict[str, str]


def _json(text: str) -> tuple[_Texts, dict[str, Any]]:
    try:
        call = json.loads(text)["callRequest"]
        user, data = call["UserID"], dict(call["callData"])
        pairs = data.pop("CustVars", {"CustVar": []})["CustVar"]
        variables = [(pair["VarName"], pair["VarValue"]) for pair in pairs]
        texts = all(isinstance(value, str) for value in (*user.values(), *data.values(), *sum(variables, ())))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EmissionRefused(-3) from None
    if not texts or any(_FORBIDDEN.search(value) for _, value in variables):
        raise EmissionRefused(-3)
    return user, {**data, "variables": {name: unescape(value) for name, value in variables}}


def _xml(text: str) -> tuple[_Texts, dict[str, Any]]:
    try:
        root = etree.fromstring(text.encode("iso-8859-1"), etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, UnicodeEncodeError):
        raise EmissionRefused(-3) from None
    names = {"p": NAMESPACE}
    user, data = root.find("p:UserID", names), root.find("p:callData", names)
    if etree.QName(root).localname not in ("CallRequest", "callRequest") or user is None or data is None:
        raise EmissionRefused(-3)
    pairs = data.findall("p:CustVars/p:CustVar", names)
    variables = {pair.findtext("p:VarName", "", names): pair.findtext("p:VarValue", "", names) for pair in pairs}
    if any(_XML_FORBIDDEN.search(value) for value in variables.values()):
        raise EmissionRefused(-3)
    return _texts(user), {**_texts(data), "variables": variables}


def _texts(element: etree._Element) -> _Texts:
    return {etree.QName(child).localname: child.text or "" for child in element if not len(child)}


def _identify(user: _Texts, lines: Mapping[str, str]) -> None:
    line, firma = user.get("idinfocaller", ""), user.get("firma", "")
    if not line or not firma:
        raise EmissionRefused(-2)
    if line not in lines:
        raise EmissionRefused(2)
    if firma.lower() != emission(line, lines[line]):
        raise EmissionRefused(1)


def _asked(
    user: _Texts, data: dict[str, Any], what: Format, country: str, groups: Collection[str] | None
) -> ReceivedRequest:  # fmt: skip
    phone = parse(data.get("numtelefono", ""), country)
    if not phone:
        raise EmissionRefused(5)
    group = data.get("gruporeglas", "")
    if not group or (groups is not None and group not in groups):
        raise EmissionRefused(8)
    variables = data["variables"]
    if not all(valid_name(name) for name in variables):
        raise EmissionRefused(-3)
    return ReceivedRequest(
        line=user["idinfocaller"],
        number=phone.e164,
        rule_group=group,
        format=what,
        at=_moment(data.get("fechahora", "")),
        max_wait=_number(data.get("EsperaMax", "5"), 1, LONGEST_WAIT, 6),
        retries=_number(data.get("Reintentos", "0"), 0, MOST_RETRIES, 7),
        variables=variables,
        firma=user["firma"],
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass  # the 31st of February
    raise EmissionRefused(4)


def _number(text: str, least: int, most: int, refusal: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise EmissionRefused(refusal)
    return int(text)
