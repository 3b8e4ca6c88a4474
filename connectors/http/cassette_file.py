"""Cassettes as files: YAML that a person can read and edit.

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
from ruamel.yaml.scalarstring import LiteralScalarString

from connectors.base import Misconfigured
from connectors.http.cassette import Body, Interaction, Playing, RecordedRequest, RecordedResponse, Recording

_LARGEST = 50_000_000
_HEAD = """\
# Real answers of the CRMs, kept on {day}. THIS FILE HOLDS PERSONAL DATA (names, numbers, all that the CRM said):
# keep it from others as you keep the CRM, put it into no public place, and delete it when it is no longer needed; or
# write other names and numbers into it. Secrets are not in it. docs/connectors/rest.md says how it is used.
"""


class CassetteFault(Misconfigured):
    """A file of answers can't be used; the message says which and why."""


class Recorder:
    """Records on one cassette for each connector."""

    def __init__(self) -> None:
        self._recordings: dict[str, Recording] = {}

    def cassette(self, connector: str) -> Recording:
        """Return the cassette of a connector."""
        return self._recordings.setdefault(connector, Recording())

    def counts(self) -> dict[str, int]:
        """Return how many requests each connector made, those that made none left out."""
        counts = {connector: len(recording.interactions()) for connector, recording in self._recordings.items()}
        return {connector: count for connector, count in counts.items() if count}

    def write(self, path: Path, today: date) -> None:
        """Write all that was recorded, readable by its owner alone. Raises `CassetteFault`."""
        recorded = {connector: recording.interactions() for connector, recording in self._recordings.items()}
        answers = {
            connector: [_entry(interaction) for interaction in several]
            for connector, several in recorded.items()
            if several
        }
        text = _HEAD.format(day=today.isoformat()) + yaml_of({"answers": answers})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            os.chmod(path, 0o600)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CassetteFault(f"{path} can't be written: {error.strerror}") from error


class Answers:
    """A file of cassettes, to be played."""

    def __init__(self, path: Path, interactions: Mapping[str, Sequence[Interaction]]) -> None:
        self._path = path
        self._interactions = interactions

    @classmethod
    def read(cls, path: Path) -> Answers:
        """Read a file. Raises `CassetteFault`."""
        try:
            file = _File.model_validate(_reader().load(_text(path)))
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark is not None else ""
            raise CassetteFault(f"{path}{line}: this is not YAML: {getattr(error, 'problem', None) or error}") from None
        except ValidationError as error:
            raise CassetteFault(f"{path}: {_first(error)}") from None
        return cls(path, {name: [entry.interaction() for entry in entries] for name, entries in file.answers.items()})

    def cassette(self, connector: str) -> Playing:
        """Return the cassette of a connector, at its beginning."""
        return Playing(self._interactions.get(connector, ()), f"{self._path.name} ({connector})")


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

    def interaction(self) -> Interaction:
        """Return it as a cassette has it."""
        method, _, url = self.request.partition(" ")
        request = RecordedRequest(method, url, _pairs(self.params), self.sent.body())
        if self.answer is None:
            return Interaction(request, RecordedResponse(no_answer=self.no_answer))
        return Interaction(
            request, RecordedResponse(self.answer.status, self.answer.headers, self.answer.cookies, self.answer.body())
        )


class _File(_Section):
    answers: dict[str, list[_Entry]]


def _pairs(values: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, several in values.items()
        for value in ([several] if isinstance(several, str) else several)
    ]


def _entry(interaction: Interaction) -> dict[str, Any]:
    request, response = interaction.request, interaction.response
    entry: dict[str, Any] = {"request": f"{request.method} {request.url}"}
    if request.params:
        entry["params"] = _grouped(request.params)
    if request.body.kind:
        entry["sent"] = _written(request.body)
    if response.no_answer:
        return entry | {"no_answer": response.no_answer}
    answer: dict[str, Any] = {"status": response.status}
    answer |= {"headers": dict(response.headers)} if response.headers else {}
    answer |= {"cookies": dict(response.cookies)} if response.cookies else {}
    return entry | {"answer": answer | _written(response.body)}


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
            raise CassetteFault(f"{path} is larger than {_LARGEST // 1_000_000} MB: is it the right file?")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CassetteFault(f"{path} does not exist: `infocaller-bridge record` makes it") from None
    except OSError as error:
        raise CassetteFault(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CassetteFault(f"{path} is not UTF-8: save it as UTF-8") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    return f"{where or 'the file'}: {first['msg'].removeprefix('Value error, ')}"


class _Constructor(SafeConstructor):
    """Dates stay texts, as in JSON."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _reader() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml


def yaml_of(value: Mapping[str, Any]) -> str:
    """Return YAML for people."""
    yaml, text = YAML(), io.StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(value, text)
    return text.getvalue()
