"""HTTP for connectors: a session with a deadline, TLS, faults translated, secrets masked, recorded answers."""
