"""What objects and fields the org has, as `describe` tells this user.

A description is fetched when it is first needed, kept in memory, and for a day in the bridge's cache folder: those of
standard objects are large. A fault that says that it is out of date (`forget`) has it fetched again.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from connectors.base import Deadline, Misconfigured
from connectors.salesforce.client import PATIENCE, SalesforceClient, SoqlRow
from connectors.salesforce.faults import Refusal

_KEPT = 86_400.0
_AGAIN = 60.0  # seconds that pass before a description is fetched anew, and that an absent object stays absent
TEXTS = frozenset({"string", "picklist", "multipicklist", "combobox", "email", "phone", "url", "encryptedstring",
                   "textarea"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field: `references` are the objects that it may point to, `relationship` the name for paths through it."""

    name: str
    type: str
    length: int = 0
    scale: int = 0
    relationship: str = ""
    references: tuple[str, ...] = ()
    filterable: bool = True
    createable: bool = True
    updateable: bool = True
    required: bool = False
    external_id: bool = False


@dataclass(frozen=True)
class ObjectInfo:
    """An object with its fields by lower-case name."""

    name: str
    fields: Mapping[str, FieldInfo]

    def field(self, name: str) -> FieldInfo | None:
        """Return the field of this name, in any case."""
        return self.fields.get(name.lower())

    def link(self, relationship: str) -> FieldInfo | None:
        """Return the field behind a relationship's name."""
        lower = relationship.lower()
        return next((field for field in self.fields.values() if field.relationship.lower() == lower), None)

    @property
    def phones(self) -> tuple[str, ...]:
        """The fields of type phone, but for faxes."""
        return tuple(
            field.name for field in self.fields.values() if field.type == "phone" and "fax" not in field.name.lower()
        )

    def meant(self, name: str) -> str:
        """`; did you mean …?` for a field that does not exist."""
        return meant(name, [field.name for field in self.fields.values()])


def meant(name: str, names: Sequence[str]) -> str:
    """`; did you mean …?`, empty where nothing is near."""
    by_case = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), list(by_case), 1, 0.6)
    return f"; did you mean {by_case[near[0]]}?" if near else ""


class Schema:
    """The org's descriptions. `identity` tells apart orgs and users, who may see different things."""

    def __init__(self, client: SalesforceClient, cache: Path | None, identity: str) -> None:
        self._client = client
        self._cache = cache
        self._mark = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._descriptions: dict[str, tuple[float, ObjectInfo | None]] = {}

    def object(self, name: str, deadline: Deadline) -> ObjectInfo:
        """Return the object. Raises `Misconfigured` where there is none that this user may see."""
        info = self.maybe(name, deadline)
        if info is None:
            raise Misconfigured(f"there is no object {name} in Salesforce, or this user can't see it")
        return info

    def maybe(self, name: str, deadline: Deadline) -> ObjectInfo | None:
        """Return the object, None where there is none that this user may see."""
        kept = self._descriptions.get(name.lower())
        if kept and time.time() - kept[0] < (_KEPT if kept[1] else _AGAIN):
            return kept[1]
        info: ObjectInfo | None = self._client.flights.get(
            ("describe", name.lower()), lambda: self._fetch(name), deadline
        )
        return info

    def path(self, start: ObjectInfo, dotted: str, deadline: Deadline) -> tuple[tuple[str, ...], FieldInfo] | None:
        """Return a path in the org's own spelling, with the field at its end; None where it leads nowhere.

        Where several objects may be at the other end, the fields are those of the object Name (`Owner.Phone`).
        """
        steps, object_ = [], start
        *way, last = dotted.split(".")
        for name in way:
            link = object_.link(name)
            if link is None:
                return None
            steps.append(link.relationship)
            target = self.maybe(link.references[0] if len(link.references) == 1 else "Name", deadline)
            if target is None:
                return None
            object_ = target
        field = object_.field(last)
        return ((*steps, field.name), field) if field else None

    def forget(self, *names: str) -> None:
        """Fetch these again when they are next needed, but not every time."""
        for name in names:
            kept = self._descriptions.get(name.lower())
            if kept and time.time() - kept[0] > _AGAIN:
                del self._descriptions[name.lower()]
                if self._cache:
                    self._file(name).unlink(missing_ok=True)

    def _fetch(self, name: str) -> ObjectInfo | None:
        kept = self._load(name)
        if kept is None:
            kept = (time.time(), self._described(name))
            self._store(name, *kept)
        self._descriptions[name.lower()] = kept
        return kept[1]

    def _described(self, name: str) -> ObjectInfo | None:
        try:
            body = self._client.read(f"sobjects/{name}/describe", Deadline.after(PATIENCE))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise refusal.error() from refusal
        return _object(body) if isinstance(body, dict) else None

    def _file(self, name: str) -> Path:
        return (self._cache or Path()) / f"salesforce-{self._mark}-{name.lower()}.json"

    def _load(self, name: str) -> tuple[float, ObjectInfo | None] | None:
        """A description from the cache folder; whatever is wrong with it, it is fetched anew."""
        if not self._cache:
            return None
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(self._file(name).read_bytes())
            if 0 <= time.time() - kept["at"] < _KEPT:
                fields = [FieldInfo(**{**entry, "references": tuple(entry["references"])}) for entry in kept["fields"]]
                return kept["at"], ObjectInfo(kept["name"], {field.name.lower(): field for field in fields})
        return None

    def _store(self, name: str, at: float, info: ObjectInfo | None) -> None:
        if not self._cache or info is None:
            return
        text = json.dumps({"at": at, "name": info.name, "fields": [asdict(field) for field in info.fields.values()]})
        with suppress(OSError):  # a cache that can't be written is no fault
            handle, temporary = tempfile.mkstemp(dir=self._cache, suffix=".tmp")
            with os.fdopen(handle, "w") as file:
                file.write(text)
            os.replace(temporary, self._file(name))


def _object(body: SoqlRow) -> ObjectInfo:
    fields = [_field(entry) for entry in body.get("fields", []) if isinstance(entry, dict) and entry.get("name")]
    return ObjectInfo(str(body.get("name")), {field.name.lower(): field for field in fields})


def _field(body: SoqlRow) -> FieldInfo:
    required = not body.get("nillable", True) and bool(body.get("createable")) and not body.get("defaultedOnCreate")
    return FieldInfo(
        name=str(body["name"]), type=str(body.get("type")), length=int(body.get("length") or 0),
        scale=int(body.get("scale") or 0), relationship=str(body.get("relationshipName") or ""),
        references=tuple(str(target) for target in body.get("referenceTo") or ()),
        filterable=bool(body.get("filterable", True)), createable=bool(body.get("createable", True)),
        updateable=bool(body.get("updateable", True)), required=required, external_id=bool(body.get("externalId")),
    )  # fmt: skip
