"""Tapes as files: YAML that a person can read and edit.

    answers:
      shop:                                       # the connector
        - request: GET https://shop.example.com/api/customers
          params: {q: "600112233"}
          answer:
            status: 200
            headers: {Content-Type: application/json}
            json: {data: [{id: 2, full_name: Ana, phone: 600 11 22 33}]}
        - request: GET https://shop.example.com/api/orders/7
          no_answer: connection refused

A body is `json`, `form`, `text` or `base64`, under `sent` for that of a request.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import LiteralScalarString

from connectors.base import Misconfigured
from connectors.http.cassette import Body, Interaction, Number, Playing, RecordedRequest, RecordedResponse, Recording

_LARGEST = 50_000_000
_HEAD = """\
# Real answers of the CRMs, kept on {day}. THIS FILE HOLDS PERSONAL DATA (names, numbers, all that the CRM said):
# keep it from others as you keep the CRM, put it into no public place, and delete it when it is no longer needed; or
# write other names and numbers into it. Secrets are not in it. docs/connectors/rest.md says how it is used.
"""


class TapeFault(Misconfigured):
    """A file of answers can't be used; the message says which and why."""


class Recorder:
    """Tapes that keep, one for each connector."""

    def __init__(self) -> None:
        self._recordings: dict[str, Recording] = {}

    def tape(self, connector: str) -> Recording:
        """The tape of a connector."""
        return self._recordings.setdefault(connector, Recording())

    def counts(self) -> dict[str, int]:
        """How many requests each connector made, those that made none left out."""
        counts = {connector: len(recording.kept()) for connector, recording in self._recordings.items()}
        return {connector: count for connector, count in counts.items() if count}

    def write(self, path: Path, today: date) -> None:
        """Write all that was kept, readable by its owner alone. Raises `TapeFault`."""
        kept = {connector: recording.kept() for connector, recording in self._recordings.items()}
        answers = {connector: [_entry(one) for one in several] for connector, several in kept.items() if several}
        text = _HEAD.format(day=today.isoformat()) + yaml_of({"answers": answers})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            os.chmod(path, 0o600)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TapeFault(f"{path} can't be written: {error.strerror}") from error


class Answers:
    """A file of answers, to be played."""

    def __init__(self, path: Path, kept: Mapping[str, Sequence[Interaction]]) -> None:
        self._path = path
        self._kept = kept

    @classmethod
    def read(cls, path: Path) -> Answers:
        """Read a file. Raises `TapeFault`."""
        try:
            file = _File.model_validate(_reader().load(_text(path)))
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark is not None else ""
            raise TapeFault(f"{path}{line}: this is not YAML: {getattr(error, 'problem', None) or error}") from None
        except ValidationError as error:
            raise TapeFault(f"{path}: {_first(error)}") from None
        return cls(path, {name: [one.kept() for one in entries] for name, entries in file.answers.items()})

    def tape(self, connector: str) -> Playing:
        """The tape of a connector, from its beginning."""
        return Playing(self._kept.get(connector, ()), f"{self._path.name} ({connector})")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class _Body(_Section):
    json_: Any = Field(None, alias="json")
    form: dict[str, str | list[str]] | None = None
    text: str | None = None
    base64_: Base64Bytes | None = Field(None, alias="base64")

    @model_validator(mode="after")
    def _at_most_one(self) -> _Body:
        if len({"json_", "form", "text", "base64_"} & self.model_fields_set) > 1:
            raise ValueError("has one body: json, form, text or base64")
        return self

    def body(self) -> Body:
        """What it holds."""
        if "json_" in self.model_fields_set:
            return Body("json", self.json_)
        if self.form is not None:
            return Body("form", _pairs(self.form))
        if self.text is not None:
            return Body("text", self.text)
        return Body("bytes", self.base64_) if self.base64_ is not None else Body()


class _Answer(_Body):
    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}


class _Entry(_Section):
    request: str = Field(pattern=r"^[A-Z]+ https?://\S+$")
    params: dict[str, str | list[str]] = {}
    sent: _Body = Field(default_factory=_Body)
    answer: _Answer | None = None
    no_answer: str = ""

    @model_validator(mode="after")
    def _one_outcome(self) -> _Entry:
        if (self.answer is None) == (not self.no_answer):
            raise ValueError("say what came back: answer, or no_answer with the reason")
        return self

    def kept(self) -> Interaction:
        """As a tape has it."""
        method, _, url = self.request.partition(" ")
        asked = RecordedRequest(method, url, _pairs(self.params), self.sent.body())
        if self.answer is None:
            return Interaction(asked, RecordedResponse(no_answer=self.no_answer))
        return Interaction(
            asked, RecordedResponse(self.answer.status, self.answer.headers, self.answer.cookies, self.answer.body())
        )


class _File(_Section):
    answers: dict[str, list[_Entry]]


def _pairs(values: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
    return [
        (name, one) for name, several in values.items() for one in ([several] if isinstance(several, str) else several)
    ]


def _entry(kept: Interaction) -> dict[str, Any]:
    asked, answered = kept.asked, kept.answered
    entry: dict[str, Any] = {"request": f"{asked.method} {asked.url}"}
    if asked.params:
        entry["params"] = _grouped(asked.params)
    if asked.body.kind:
        entry["sent"] = _written(asked.body)
    if answered.no_answer:
        return entry | {"no_answer": answered.no_answer}
    answer: dict[str, Any] = {"status": answered.status}
    answer |= {"headers": dict(answered.headers)} if answered.headers else {}
    answer |= {"cookies": dict(answered.cookies)} if answered.cookies else {}
    return entry | {"answer": answer | _written(answered.body)}


def _written(body: Body) -> dict[str, Any]:
    if body.kind == "form":
        return {"form": _grouped(body.value)}
    if body.kind == "bytes":
        return {"base64": base64.b64encode(body.value).decode()}
    if body.kind == "text":
        return {"text": LiteralScalarString(body.value) if "\n" in body.value else body.value}
    return {"json": body.value} if body.kind else {}


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise TapeFault(f"{path} is larger than {_LARGEST // 1_000_000} MB: is it the right file?")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TapeFault(f"{path} does not exist: `infocaller-bridge record` makes it") from None
    except OSError as error:
        raise TapeFault(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TapeFault(f"{path} is not UTF-8: save it as UTF-8") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    return f"{where or 'the file'}: {first['msg'].removeprefix('Value error, ')}"


class _Constructor(SafeConstructor):
    """Numbers with a point as they are written, dates as texts."""

    def number(self, node: ScalarNode) -> float:
        """A number with a point."""
        try:
            return Number(node.value)
        except ValueError:  # .inf, 1_000.5
            return float(self.construct_yaml_float(node))


_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.number)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _reader() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


class _Representer(RoundTripRepresenter):
    """Numbers with a point as they were written."""

    def number(self, number: Number) -> ScalarNode:
        """A number with a point."""
        node: ScalarNode = self.represent_scalar("tag:yaml.org,2002:float", number.text)
        return node


_Representer.add_representer(Number, _Representer.number)


def yaml_of(value: Mapping[str, Any]) -> str:
    """YAML for people."""
    yaml, text = YAML(), io.StringIO()
    yaml.Representer = _Representer
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(value, text)
    return text.getvalue()
