"""`${NAME}`, `${NAME:-default}` and `${file:/run/secrets/name}` in the texts of the configuration; `$${` is a plain
`${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bridge.config.files import NotUsable, content
from bridge.config.source import Unfilled

_USE = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_SECRET = 64 * 1024


class Environment:
    """Fills in `${}` from variables and files. `read` are the files that it looked at, with what was in them (None:
    could not be read); `values` is everything that it put in, by how it was written."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self._variables = variables
        self._folder = folder
        self.read: dict[Path, bytes | None] = {}
        self.values: dict[str, str] = {}

    def fill(self, text: str) -> str:
        """The text with everything put in. Raises `Unfilled`, which names what is missing, never what it holds."""
        return _USE.sub(self._one, text)

    def _one(self, found: re.Match[str]) -> str:
        written = found[0]
        if written == "$${":
            return "${"
        inside = found["inside"]
        if inside is None:
            raise Unfilled("a ${ is not closed by }; for a plain ${ write $${")
        if inside.startswith("file:"):
            value = self._from_file(inside.removeprefix("file:").strip())
        else:
            value = self._from_variable(inside)
        self.values[written] = value
        return value

    def _from_variable(self, inside: str) -> str:
        name, has_default, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            raise Unfilled(
                "a ${ } here can't be read: write ${NAME}, ${NAME:-default} or ${file:/path/to/secret}, and $${ for a "
                "plain ${"
            )
        value = self._variables.get(name)
        if has_default:
            return value or default
        if value is None:
            raise Unfilled(
                f"the environment variable {name} is not set: set it, or give a default with ${{{name}:-default}}"
            )
        return value

    def _from_file(self, name: str) -> str:
        path = self._folder / name
        self.read[path] = None
        try:
            self.read[path] = data = content(path, _LARGEST_SECRET)
            return re.sub(r"\r?\n\Z", "", data.decode())
        except NotUsable as error:
            raise Unfilled(f"the secret's file {name} {error}") from None
        except UnicodeDecodeError:
            raise Unfilled(f"the secret's file {name} is not UTF-8 text") from None
