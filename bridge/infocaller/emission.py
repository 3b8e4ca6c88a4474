"""A request for an outbound call and what the platform says to it (manual, API de Emisión de Llamadas).

Pure: `encode` writes a request, `decode` reads an answer; what follows from it stands in `results`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from bridge.errors import ProtocolError
from bridge.infocaller import json_document, signature, xml_document
from bridge.infocaller.charset import decode as text_of
from bridge.infocaller.messages import Format
from bridge.infocaller.results import RESULTS, Consequence
from bridge.infocaller.tree import Tree
from bridge.infocaller.variables import clean, escape, valid_name
from bridge.texts import Text, literal

FORM = "application/x-www-form-urlencoded"
"""The Content-Type of every request."""

LONGEST_WAIT = 300
"""EsperaMax, minutes."""
MOST_RETRIES = 4
"""Reintentos."""
RETRY_MINUTES = 5
"""Between two attempts at a busy phone, at least."""

_E164 = re.compile(r"\+[1-9][0-9]{4,14}")
_PRINTABLE = re.compile("[ -~\u00a0-\u00ff]+")
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_NOUGHT = re.compile(r"0*")
_DIGITS = re.compile(r"\+?[0-9]{6,}(?=[0-9]{3})")
_LONGEST_TEXT = 300
_LONGEST_ID = 64

_OWN = {6: "max_wait", 7: "retries"}


@dataclass(frozen=True, slots=True)
class EmissionRequest:
    """One call to be made (manual, sections 'Autenticación' and 'callData').

    `line_number` is idinfocaller; `number` numtelefono in E.164, always with `+` and the country code; `rule_group`
    gruporeglas; `at` fechahora, naive, in the line's local time, None for now; `max_wait` EsperaMax in minutes and
    `retries` Reintentos, None for the platform's own default (5 and 0); `variables` the CustVars by name.
    """

    line_number: str
    number: str
    rule_group: str
    at: datetime | None = None
    max_wait: int | None = None
    retries: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def redacted(self, sensitive: Collection[str] = ()) -> dict[str, object]:
        """Return the request as it may be stored and shown, ready for JSON: without firma, and without the values of
        the variables named in `sensitive`."""
        shown = {name: "•••" if name in sensitive else value for name, value in self.variables.items()}
        return {"idinfocaller": self.line_number, **_call_data(self), "variables": shown}


class RequestProblem(NamedTuple):
    """A value that the platform is known to refuse: the field of `EmissionRequest`, and why."""

    field: str
    text: Text


def problems(request: EmissionRequest) -> list[RequestProblem]:
    """Return what the manual's limits forbid in `request`; empty where it may go out. No text holds the phone
    number."""
    faults = []
    if not _PRINTABLE.fullmatch(request.line_number):
        faults.append(RequestProblem("line_number", Text("there is no line number")))
    if not _E164.fullmatch(request.number):
        faults.append(RequestProblem("number", Text("no number with + and country code")))
    if not _PRINTABLE.fullmatch(request.rule_group) or not request.rule_group.strip():
        faults.append(RequestProblem("rule_group", Text("the rule group has no name in ISO-8859-1")))
    if request.at is not None and request.at.tzinfo is not None:
        faults.append(RequestProblem("at", Text("the time has to be local, without a zone")))
    faults += _out_of_range("max_wait", "EsperaMax", request.max_wait, 1, LONGEST_WAIT)
    faults += _out_of_range("retries", "Reintentos", request.retries, 0, MOST_RETRIES)
    for name in request.variables:
        if not valid_name(name):
            text = Text(
                "{name}: variable names are made of A-Z and 0-9, 1 to 15 of them, no spaces (manual, Appendix II)",
                name=repr(name[:40]),
            )
            faults.append(RequestProblem("variables", text))
    return faults


def _out_of_range(name: str, parameter: str, value: int | None, least: int, most: int) -> list[RequestProblem]:
    if value is None or least <= value <= most:
        return []
    text = Text("{parameter} {value}: from {least} to {most}", parameter=parameter, value=value, least=least, most=most)
    return [RequestProblem(name, text)]


def encode(request: EmissionRequest, password: str, form: Format, xml_root: str = "CallRequest") -> tuple[bytes, str]:
    """Return the body of the POST and its Content-Type.

    ProtocolError where `problems` finds any: such a request never goes out. Values of variables are written in what
    the platform takes (`variables.clean`), with the five entities. JSON is ASCII, XML ISO-8859-1.
    """
    faults = problems(request)
    if faults:
        raise ProtocolError("; ".join(f"{problem.field}: {problem.text}" for problem in faults))
    user = {"idinfocaller": request.line_number, "firma": signature.emission(request.line_number, password)}
    write = _json if form is Format.JSON else _xml
    name = "apiCALLjson" if form is Format.JSON else "apiCALLxml"
    return urlencode({name: write(request, user, xml_root)}).encode("ascii"), FORM


def _call_data(request: EmissionRequest) -> dict[str, str]:
    """The manual's names; what is not set is left out, so that the platform's own default holds."""
    data = {"numtelefono": request.number, "gruporeglas": request.rule_group}
    if request.at is not None:
        data["fechahora"] = request.at.isoformat(timespec="seconds")
    if request.max_wait is not None:
        data["EsperaMax"] = str(request.max_wait)
    if request.retries is not None:
        data["Reintentos"] = str(request.retries)
    return data


def _json(request: EmissionRequest, user: dict[str, str], _root: str) -> bytes:
    data: dict[str, object] = {**_call_data(request)}
    if request.variables:
        pairs = [{"VarName": name, "VarValue": escape(clean(value))} for name, value in request.variables.items()]
        data["CustVars"] = {"CustVar": pairs}
    return json.dumps({"callRequest": {"UserID": user, "callData": data}}).encode("ascii")


def _xml(request: EmissionRequest, user: dict[str, str], root: str) -> bytes:
    variables = "".join(
        f"<CustVar>{_elements({'VarName': name, 'VarValue': clean(value)})}</CustVar>"
        for name, value in request.variables.items()
    )
    data = _elements(_call_data(request)) + (f"<CustVars>{variables}</CustVars>" if variables else "")
    text = (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<{root} xmlns="{xml_document.NAMESPACE}">'
        f"<UserID>{_elements(user)}</UserID><callData>{data}</callData></{root}>"
    )
    return text.encode("iso-8859-1")


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class EmissionReply:
    """What the platform answered (manual, API de Emisión III).

    `status` is HTTP's; `result` Resultado, None where the answer can't be read: then `fault` says why and `excerpt` is
    how it starts, long numbers masked. `text` is ResultadoTexto, `idcall` empty where none was given (a nought is
    none).
    """

    status: int
    result: int | None
    text: str = ""
    idcall: str = ""
    fault: str = ""
    excerpt: str = ""

    def consequence(self, from_task: Collection[str] = ()) -> Consequence:
        """Return what follows. `from_task` names the fields of the request (`max_wait`, `retries`) whose values the
        task itself gave: a fault in those is the task's, else the configuration's."""
        if self.status >= 500:
            return Consequence.MAY_HAVE_RUNG
        if self.result is None:
            return Consequence.PAUSE_LINE if self.status >= 300 else Consequence.MAY_HAVE_RUNG
        if self.result == 0:
            return Consequence.ACCEPTED if self.status < 300 else Consequence.MAY_HAVE_RUNG
        if self.idcall:
            return Consequence.MAY_HAVE_RUNG
        if self.result not in RESULTS or _OWN.get(self.result) in from_task:
            return Consequence.REJECT
        return RESULTS[self.result].consequence

    def reason(self) -> Text:
        """Return one line for people: code and text, or why the answer can't be read."""
        if self.result is None:
            return Text("HTTP {status}: {fault}", status=self.status, fault=self.fault)
        documented = RESULTS.get(self.result)
        if documented is None:
            return literal(f"Resultado {self.result}: {self.text}".rstrip(": "))
        if not self.text or self.text.strip(". ").casefold() == documented.words.render("es").strip(". ").casefold():
            return Text("Resultado {code}: {meaning}", code=self.result, meaning=documented.words)
        return Text("Resultado {code}: {meaning} ({text})", code=self.result, meaning=documented.words, text=self.text)


def decode(status: int, body: bytes) -> EmissionReply:
    """Read an answer. Never fails, and never guesses: what is not plainly an answer has no `result`.

    Its first character says whether it is JSON or XML, whatever was asked and whatever Content-Type it has. Names count
    in any case. An answer cut off, one without a whole number for Resultado, or with two that differ, can't be read.
    """
    text = text_of(body).strip()
    try:
        values = _answer(text)
        return EmissionReply(
            status, _result(values.get("resultado")), _line(values.get("resultadotexto")), _idcall(values)
        )
    except ProtocolError as error:
        excerpt = _DIGITS.sub("•••", " ".join(text[:_LONGEST_TEXT].split()))
        return EmissionReply(status, None, fault=str(error), excerpt=excerpt)


def _answer(text: str) -> dict[str, Tree]:
    if not text:
        raise ProtocolError("the answer is empty")
    if text[0] not in "{<":
        raise ProtocolError("the answer is neither JSON nor XML")
    tree, repairs = (json_document if text[0] == "{" else xml_document).parse(text)
    if "last brace missing" in repairs:
        raise ProtocolError("the answer is cut off")
    if text[0] == "{":
        _refuse_contradictions(text)
    section = tree.get("callrequest", tree) if isinstance(tree, dict) else tree
    if not isinstance(section, dict):
        raise ProtocolError("the answer has no callRequest section with a Resultado")
    return section


def _refuse_contradictions(text: str) -> None:
    """JSON lets a name come twice; the parser takes the last one."""
    for name, values in json_document.every(text, "resultado", "idcall").items():
        if any(value != values[0] for value in values):
            raise ProtocolError(f"the answer has more than one {name}")


def _result(value: Tree) -> int:
    if not isinstance(value, str) or not _INTEGER.fullmatch(value.strip()):
        raise ProtocolError("the answer has no Resultado that is a whole number")
    return int(value)


def _idcall(values: Mapping[str, Tree]) -> str:
    value = values.get("idcall")
    if value is None or value == {}:
        return ""
    if not isinstance(value, str):
        raise ProtocolError("the answer's idcall is no single value")
    value = value.strip()
    if len(value) > _LONGEST_ID:
        raise ProtocolError(f"the answer's idcall has more than {_LONGEST_ID} characters")
    return "" if _NOUGHT.fullmatch(value) else value


def _line(value: Tree) -> str:
    return " ".join(clean(value).split())[:_LONGEST_TEXT] if isinstance(value, str) else ""
