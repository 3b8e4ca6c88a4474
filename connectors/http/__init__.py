"""HTTP for connectors: a session with a deadline, TLS, faults translated, secrets masked, recorded answers."""

from connectors.http.session import LARGEST, Session

__all__ = ["LARGEST", "Session"]
