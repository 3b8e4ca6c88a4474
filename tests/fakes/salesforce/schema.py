"""What the pretended org knows: its objects and fields, as `describe` tells them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
SUBTYPES = ("Task", "Email", "LinkedIn", "ListEmail", "Call", "Cadence")
PEOPLE = ("Contact", "Lead")
THINGS = ("Account", "Order", "Case")


@dataclass(frozen=True)
class Field:
    """One field of an object."""

    name: str
    type: str = "string"
    length: int = 0
    references: tuple[str, ...] = ()
    relationship: str | None = None
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    required: bool = False
    external_id: bool = False
    unique: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False

    def describe(self) -> dict[str, object]:
        """As `describe` says it."""
        return {
            "name": self.name, "label": self.name, "type": self.type, "length": self.length,
            "referenceTo": list(self.references), "relationshipName": self.relationship,
            "createable": self.createable, "updateable": self.updateable, "filterable": self.filterable,
            "nillable": not self.required, "externalId": self.external_id, "unique": self.unique,
            "restrictedPicklist": self.restricted, "defaultedOnCreate": False,
            "picklistValues": [{"value": value, "label": value, "active": True} for value in self.values],
        }  # fmt: skip


@dataclass
class SObject:
    """An object with its fields by lower-case name."""

    name: str
    prefix: str
    fields: dict[str, Field] = field(default_factory=dict)

    def add(self, *fields: Field) -> None:
        """More fields, or others in their place."""
        self.fields.update({one.name.lower(): one for one in fields})

    def hide(self, name: str) -> None:
        """The user may not see this field: it looks as if it did not exist."""
        del self.fields[name.lower()]

    def describe(self) -> dict[str, object]:
        """As `GET sobjects/<name>/describe` answers."""
        return {
            "name": self.name, "keyPrefix": self.prefix, "queryable": True, "searchable": True, "createable": True,
            "updateable": True, "fields": [one.describe() for one in self.fields.values()],
        }  # fmt: skip


def _text(name: str, length: int = 255, **more: object) -> Field:
    return replace(Field(name, "string", length), **more)  # type: ignore[arg-type]  # flags of Field


def _phone(*names: str) -> list[Field]:
    return [Field(name, "phone", 40) for name in names]


def _reference(name: str, *references: str) -> Field:
    return Field(name, "reference", 18, references, name.removesuffix("Id"))


def _fixed(*fields: Field) -> list[Field]:
    """Fields that the system alone writes."""
    return [replace(one, createable=False, updateable=False) for one in fields]


def _common() -> list[Field]:
    return _fixed(
        Field("Id", "id", 18),
        Field("CreatedDate", "datetime"),
        Field("LastModifiedDate", "datetime"),
        Field("IsDeleted", "boolean"),
        _reference("CreatedById", "User"),
    )


def _person(required: str = "LastName") -> list[Field]:
    return [
        _text("LastName", 80, required=required == "LastName"), _text("FirstName", 40),
        _text("Name", 121, createable=False, updateable=False),
        *_phone("Phone", "MobilePhone", "Fax"), Field("Email", "email", 80), Field("Changed__c", "date"),
    ]  # fmt: skip


def _task() -> list[Field]:
    return [
        Field("Subject", "combobox", 255), Field("Description", "textarea", 32_000, filterable=False),
        Field("Status", "picklist", 255, values=STATUSES),
        Field("IsClosed", "boolean", createable=False, updateable=False),
        Field("Priority", "picklist", 255, values=("High", "Normal", "Low")),
        Field("TaskSubtype", "picklist", 40, values=SUBTYPES, restricted=True, updateable=False),
        Field("CallType", "picklist", 40, values=("Internal", "Inbound", "Outbound"), restricted=True),
        Field("CallDurationInSeconds", "int"), _text("CallObject"), _text("CallDisposition"),
        Field("Type", "picklist", 40, values=("Call", "Callback")), Field("ActivityDate", "date"),
        Field("ReminderDateTime", "datetime"),
        Field("WhoId", "reference", 18, PEOPLE, "Who"), Field("WhatId", "reference", 18, THINGS, "What"),
        _reference("OwnerId", "Group", "User"),
        _text("Infocaller_Id__c", 80, external_id=True), _text("Campaign__c", 50), *_phone("Phone__c"),
        Field("Cost__c", "currency"), Field("Wanted_At__c", "datetime"),
    ]  # fmt: skip


def _own(name: str, prefix: str, fields: Iterable[Field]) -> SObject:
    made = SObject(name, prefix)
    made.add(*_common(), *fields)
    return made


def standard() -> dict[str, SObject]:
    """The objects of a new org, by lower-case name."""
    objects = [
        _own("User", "005", [_text("Name", 121), *_phone("Phone", "MobilePhone"), Field("Email", "email", 80),
                             Field("IsActive", "boolean")]),
        _own("Group", "00G", [_text("Name", 40)]),
        _own("Name", "", [_text(n, 121) for n in ("Name", "FirstName", "LastName", "Type", "Title")]
             + [*_phone("Phone"), Field("Email", "email", 80)]),
        _own("Account", "001", [_text("Name", required=True), *_phone("Phone", "Fax"),
                                _reference("OwnerId", "User")]),
        _own("Contact", "003", [*_person(), *_phone("HomePhone", "OtherPhone", "AssistantPhone"),
                                _reference("AccountId", "Account"), _reference("OwnerId", "User")]),
        _own("Lead", "00Q", [*_person(), _text("Company", required=True), Field("Status", "picklist", 255),
                             Field("IsConverted", "boolean", createable=False, updateable=False),
                             replace(_reference("ConvertedContactId", "Contact"), createable=False),
                             _text("Infocaller_Number__c", 40, external_id=True),
                             _reference("OwnerId", "Group", "User")]),
        _own("Order", "801", [_text("OrderNumber", 30), Field("Status", "picklist", 255),
                              Field("TotalAmount", "currency"), Field("EffectiveDate", "date"),
                              _reference("AccountId", "Account"), _reference("OwnerId", "Group", "User")]),
        _own("Case", "500", [_text("CaseNumber", 30), Field("Status", "picklist", 255), Field("Weight__c", "double"),
                             _reference("ContactId", "Contact"), _reference("OwnerId", "Group", "User")]),
        _own("Survey__c", "a00", [*_phone("Phone__c"), Field("Score__c", "textarea", 32_768, filterable=False),
                                  _text("Grade__c", 20),
                                  _text("Infocaller_Id__c", 80, external_id=True, unique=True)]),
        _own("Task", "00T", _task()),
        _own("TaskStatus", "01J", [_text("MasterLabel"), _text("ApiName"), Field("IsClosed", "boolean"),
                                   Field("IsDefault", "boolean")]),
        _own("Organization", "00D", [_text("Name", 80), Field("IsSandbox", "boolean")]),
    ]  # fmt: skip
    return {one.name.lower(): one for one in objects}


def with_person_accounts(objects: dict[str, SObject]) -> None:
    """Turn person accounts on: their fields exist on Account and Contact only then."""
    objects["account"].add(
        Field("IsPersonAccount", "boolean", createable=False, updateable=False),
        Field("PersonContactId", "reference", 18, ("Contact",), "PersonContact", createable=False, updateable=False),
        *_phone("PersonMobilePhone", "PersonHomePhone", "PersonOtherPhone"),
    )
    objects["contact"].add(Field("IsPersonAccount", "boolean", createable=False, updateable=False))
