"""What `said` finds in the catalogue and is too short, or in too many pieces, to be taken there from where it is said;
and what the operating system says, as far as people come to read it."""

from __future__ import annotations

from bridge.texts import Plural, Text

SYSTEM = (
    Text("Permission denied"), Text("No such file or directory"), Text("No space left on device"),
    Text("Is a directory"), Text("Not a directory"), Text("File exists"), Text("Read-only file system"),
    Text("Connection refused"), Text("Connection reset by peer"), Text("Address already in use"),
    Text("Network is unreachable"), Text("No route to host"), Text("Name or service not known"),
    Text("Input/output error"), Text("Too many open files"), Text("Broken pipe"), Text("timed out"),
    Text("Operation not permitted"), Text("Temporary failure in name resolution"),
)  # fmt: skip
"""Error messages of libc."""
CERTIFICATES = (
    Text("certificate has expired"), Text("certificate is not yet valid"), Text("self-signed certificate"),
    Text("self-signed certificate in certificate chain"), Text("unable to get local issuer certificate"),
    Text("unable to get issuer certificate"),
    Text("Hostname mismatch, certificate is not valid for '{name}'", name=""),
    Text("IP address mismatch, certificate is not valid for '{address}'", address=""),
)  # fmt: skip
"""What OpenSSL and Python's ssl say of certificates."""
PIECES = (
    Text("there is no campaign {name}; there is none", name=""), Text("table {name}", name=""),
    Plural("{count:,} row with {columns}", "{count:,} rows with {columns}", 0, columns=""),
    Plural("{count:,} row listed", "{count:,} rows listed", 0),
    Text("no answer in time"), Text("the connection was refused or lost: is the bridge running there?"),
    Text("expected token {token}, got {other}", token="", other=""), Text("unexpected {token}", token=""),
    Text("unexpected char {letter} at {place}", letter="", place=""),
    Text("looked up by phone"), Text("looked up by key"),
)  # fmt: skip
"""Parts of sentences."""
