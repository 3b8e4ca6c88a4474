"""What Salesforce's errors mean. The HTTP status says little: REQUEST_LIMIT_EXCEEDED is a 403 like missing permissions,
UNABLE_TO_LOCK_ROW a 400 like a field that does not exist. So `errorCode` decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.base import ConnectorError, Misconfigured, Rejected, Unavailable

PASSING = frozenset(
    {
        "REQUEST_LIMIT_EXCEEDED", "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "UNKNOWN_EXCEPTION",
        "REQUEST_RUNNING_TOO_LONG", "CONCURRENT_REQUEST_LIMIT_EXCEEDED", "API_CURRENTLY_DISABLED", "JSON_PARSE_TIMEOUT",
        "INVALID_QUERY_LOCATOR", "TXN_SECURITY_METERING_ERROR", "EXCEEDED_QUOTA", "TOO_MANY_REQUESTS",
        "CLIENT_REQUEST_TIMEOUT", "INSUFFICIENT_ACCESS_DUE_TO_MAINTENANCE", "ORG_IN_MAINTENANCE",
    }
)  # fmt: skip
RECORD = frozenset(
    {
        "STRING_TOO_LONG", "FIELD_INTEGRITY_EXCEPTION", "INVALID_CROSS_REFERENCE_KEY", "JSON_PARSER_ERROR",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION", "DUPLICATES_DETECTED", "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID",
        "INVALID_EMAIL_ADDRESS", "NUMBER_OUTSIDE_VALID_RANGE", "MALFORMED_ID", "ENTITY_IS_DELETED", "ENTITY_IS_LOCKED",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "OPERATION_WITH_INACTIVE_USER", "MULTIPLE_RECORDS",
    }
)  # fmt: skip
LOST_STATUSES = frozenset({502, 504})
"""Answers of a gateway that does not know what became of the request behind it."""
_HINTS = {
    "REQUEST_LIMIT_EXCEEDED": "the org's API requests of the last 24 hours are used up",
    "UNABLE_TO_LOCK_ROW": "somebody else is writing to the same record",
    "INVALID_FIELD": "the field does not exist, or this user can't see it",
    "INVALID_TYPE": "the object does not exist, or this user can't see it",
    "REQUIRED_FIELD_MISSING": "the org requires this field: give it a value in the configuration",
    "INSUFFICIENT_ACCESS": "give the integration user the permission",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "the integration user may not write this field",
    "API_DISABLED_FOR_ORG": "this edition of Salesforce has no API, or the user lacks the permission API Enabled",
    "UNSUPPORTED_API_VERSION": "write a newer version: in the configuration",
    "OPERATION_WITH_INACTIVE_USER": "the owner is an inactive user",
    "STORAGE_LIMIT_EXCEEDED": "the org's data storage is full",
}


@dataclass(frozen=True, slots=True)
class SalesforceFault:
    """One entry of an error's list: `code` as of `errorCode`, and the fields that it names."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f" (field {', '.join(self.fields)})" if self.fields else ""
        hint = _HINTS.get(self.code) or next((h for c, h in _HINTS.items() if self.code.startswith(c)), "")
        return f"{self.code}: {self.message}{named}{f'; {hint}' if hint else ''}"


def read(content: object) -> tuple[SalesforceFault, ...]:
    """Return the faults of an answer's body, or of a record's `errors` in a collection (there the code is
    `statusCode`)."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return ()
    return tuple(_fault(entry) for entry in content if isinstance(entry, Mapping))


def _fault(entry: Mapping[object, object]) -> SalesforceFault:
    fields = entry.get("fields")
    named = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
    code = str(entry.get("errorCode") or entry.get("statusCode") or entry.get("error") or "UNKNOWN")
    return SalesforceFault(code, str(entry.get("message") or entry.get("error_description") or ""), named)


class Refusal(Exception):
    """An answer of Salesforce that is an error: its status, what it says, and what was asked (masked)."""

    def __init__(
        self,
        status: int,
        faults: tuple[SalesforceFault, ...],
        text: str,
        exchange: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.faults = faults
        self.exchange = exchange
        self.retry_after = retry_after

    def has(self, *codes: str) -> bool:
        """Return whether one of these is among its faults."""
        return any(fault.code in codes for fault in self.faults)

    def names(self, field: str) -> bool:
        """Return whether it speaks of this field."""
        lower = field.lower()
        return any(
            lower in (name.lower() for name in fault.fields) or lower in fault.message.lower() for fault in self.faults
        )

    @property
    def uncertain(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status in LOST_STATUSES and not self.faults

    def error(self) -> ConnectorError:
        """Return it in the words of `connectors.base`."""
        text = str(self)
        if self._passes:
            return Unavailable(text, exchange=self.exchange, retry_after=self._pause)
        if any(fault.code in RECORD for fault in self.faults) or (self.status == 404 and self.has("NOT_FOUND")):
            return Rejected(text, exchange=self.exchange)
        if self.status == 300:
            return Rejected(
                f"{text}: several records have this external id; nothing was written", exchange=self.exchange
            )
        return Misconfigured(text, exchange=self.exchange)

    @property
    def _passes(self) -> bool:
        passing = any(fault.code in PASSING for fault in self.faults)
        return passing or self.status >= 500 or self.status in (408, 425, 429)

    @property
    def _pause(self) -> float | None:
        """A daily limit frees itself slowly; asking every few seconds would only use it up."""
        return 900.0 if self.has("REQUEST_LIMIT_EXCEEDED") and not self.retry_after else self.retry_after


def as_error(error: Exception) -> ConnectorError:
    """Whatever went wrong, in the words of `connectors.base`."""
    if isinstance(error, Refusal):
        return error.error()
    if isinstance(error, ConnectorError):
        return error
    return Rejected(str(error))
