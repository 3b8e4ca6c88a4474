"""A CRM as the configuration's connector: what has to be given for it, and its section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.setup.configuration import NAME, TRANSFER, CustomerSource
from bridge.setup.yamltext import Value, Variable
from bridge.texts import Text
from connectors.masking import SENSITIVE_NAMES
from connectors.rest import presets

SQL, SALESFORCE = "sql", "salesforce"
_CONNECTOR = "crm"
_SENSITIVE = re.compile(SENSITIVE_NAMES, re.IGNORECASE)
_SIGN_IN = ("domain", "client_id", "client_secret")  # of Salesforce's ways to sign in, the one for servers


@dataclass(frozen=True)
class Need:
    """Something that has to be given: the way to its key in the section (`auth.token`), an example, which may be empty,
    and whether it is a secret."""

    key: str
    example: str = ""
    secret: bool = False


def crms() -> list[str]:
    """Return the CRMs that there are, by name."""
    return sorted([*presets.names(presets.shipped()), SALESFORCE])


def needs(crm: str) -> list[Need]:
    """Return what has to be given for a CRM."""
    if crm == SALESFORCE:
        from connectors.salesforce.options import Login  # noqa: PLC0415 - a tenth of a second, for those alone

        fields = Login.model_fields
        return [Need(f"login.{name}", "acme.my" if name == "domain" else "", "Secret" in str(fields[name].annotation))
                for name in _SIGN_IN]  # fmt: skip
    return [
        Need(key, "" if example == presets.SECRET else str(example), example == presets.SECRET)
        for key, example in presets.needs(crm).items()
    ]


def crm_source(crm: str, given: Mapping[str, str]) -> CustomerSource:
    """Return the connector of a CRM for what was given, which may be more than what has to be. Raises ValueError for a
    key that can't be one."""
    section: dict[str, Value] = {"type": SALESFORCE} if crm == SALESFORCE else {"type": "rest", "preset": crm}
    asked = {need.key: need.secret for need in needs(crm)}
    hidden = {key for key, secret in asked.items() if secret}
    secrets: dict[str, str] = {}
    for key, value in given.items():
        *sections, last = key.split(".")
        if not all(re.fullmatch(r"[A-Za-z_][\w-]{0,60}", part, re.ASCII) for part in (*sections, last)):
            raise ValueError(key)
        inner = section
        for part in sections:
            nested = inner.setdefault(part, {})
            if not isinstance(nested, dict):
                raise ValueError(key)
            inner = nested
        secret_type = sections == ["settings"] and last not in (presets.settings(crm) if crm != SALESFORCE else ())
        if key in hidden or secret_type or (key not in asked and _SENSITIVE.search(last)):
            variable = f"CRM_{last.upper().replace('-', '_')}"
            secrets[variable] = value
            inner[last] = Variable(variable)
        else:
            inner[last] = value
    fields = {NAME}
    if crm == SALESFORCE:
        section["records"] = {
            "contact": {"objects": ["Contact", "Lead", "Account"], "fields": {NAME: "Name", TRANSFER: "Owner.Phone"}}
        }
        fields |= {TRANSFER}
    comments = (
        Text("More can be done with this CRM, such as keeping each call in it: see its page of the documentation."),
    )
    return CustomerSource(_CONNECTOR, section, comments, frozenset(fields), secrets)
