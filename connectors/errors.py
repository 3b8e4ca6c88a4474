"""What a connector raises; `connectors.base` says what the bridge does next."""

from __future__ import annotations


class ConnectorError(Exception):
    """The CRM could not do what was asked.

    Args:
        message: What went wrong, for the admin; without secrets and whole phone numbers.
        exchange: The request and the start of the answer, with secrets and phone numbers masked, for `jobs show`; empty
            if there was none.
    """

    def __init__(self, message: str, *, exchange: str = "") -> None:
        super().__init__(message)
        self.exchange = exchange


class Unavailable(ConnectorError):
    """The CRM is away, busy or over its limit; the same request may work later.

    Args:
        message: See `ConnectorError`.
        exchange: See `ConnectorError`.
        retry_after: After how many seconds the CRM asked to be tried again; None if it did not say.
    """

    def __init__(self, message: str, *, exchange: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, exchange=exchange)
        self.retry_after = retry_after


class TimedOut(Unavailable):
    """The CRM did not answer before the deadline."""


class Rejected(ConnectorError):
    """The CRM refused this record; sending it again does not help."""


class Misconfigured(ConnectorError):
    """The configuration or a permission is wrong; nothing of this kind works until the admin has fixed it."""


class Ambiguous(ConnectorError):
    """Nobody can know whether the CRM did it; a person decides."""


class ClaimedElsewhere(ConnectorError):
    """Another installation of the bridge has claimed this task and makes the call."""
