"""A file of contacts as the configuration's connector."""

from __future__ import annotations

from pathlib import Path

from bridge.setup.columns import Choice
from bridge.setup.configuration import NAME, TRANSFER, CustomerSource
from bridge.setup.yamltext import Value
from bridge.texts import Text

_CONNECTOR = "agenda"


def contacts_source(path: str, choice: Choice) -> CustomerSource:
    """Return the connector that looks customers up in a file, whose `path` is written as it stands."""
    named = {ours: theirs for ours, theirs in ((NAME, choice.name), (TRANSFER, choice.transfer)) if theirs}
    columns: dict[str, Value] = {ours: theirs for ours, theirs in named.items() if ours != theirs}
    table: dict[str, Value] = {"file": path, "phones": list(choice.phones)}
    if columns:
        table["columns"] = columns
    comments = (
        Text(
            "Save the list under the same name as often as you like: the bridge reads it again by itself. phones are "
            "the columns with telephone numbers; columns says what others are called in your list."
        ),
    )
    return CustomerSource(_CONNECTOR, {"type": "csv", "tables": {"contact": table}}, comments, frozenset(named))


def written_path(file: Path, folder: Path) -> str:
    """Return how the configuration in `folder` names a file: by its name where it is in there, else whole."""
    whole, root = file.resolve(), folder.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)
