"""`${NAME}`, `${NAME:-default}` and `${file:/run/secrets/name}` in the texts of the configuration; `$${` is a plain
`${`. A NAME that the environment lacks is taken from the file `.env` beside the configuration; where that is not there,
or not ours to read, from what systemd made of it (`CREDENTIAL`)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from bridge.config.dotenv import DotEnv, parse
from bridge.config.files import ABSENT, NotText, NotUsable, content, mode_of, text
from bridge.config.source import Unfilled
from bridge.errors import Fault

_USE = re.compile(r"\$\$\{|\$\{(?P<inside>[^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_SECRET = 64 * 1024
_BESIDE = ".env"
CREDENTIAL = "infocaller-bridge.env"
"""The name of `.env` as a credential of a systemd unit: `LoadCredential=infocaller-bridge.env:/path/.env`."""


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


class Environment:
    """Fills in `${}` from variables and files. `read` are the files that it looked at, with what was in them (None:
    could not be read); `values` is everything that it put in, by how it was written; `warnings` are about `.env`, which
    is read once a variable is missing."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self._variables = variables
        self._folder = folder
        self._beside: DotEnv | None = None
        self.read: dict[Path, bytes | None] = {}
        self.values: dict[str, str] = {}
        self.warnings: list[Fault] = []

    def fill(self, text: str) -> str:
        """Return the text with everything put in. Raises `Unfilled`, which names what is missing, never what it
        holds."""
        return _USE.sub(self._one, text)

    def _one(self, match: re.Match[str]) -> str:
        written = match[0]
        if written == "$${":
            return "${"
        inside = match["inside"]
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
        if value is None:
            value = self._from_beside(name)
        if has_default:
            return value or default
        if value is None:
            raise Unfilled(
                f"the environment variable {name} is not set{self._about_beside()}: set it, write it in {_BESIDE} "
                f"beside the configuration, or give a default with ${{{name}:-default}}"
            )
        return value

    def _from_beside(self, name: str) -> str | None:
        if self._beside is None:
            self._beside = self._read_beside()
        return self._beside.values.get(name)

    def _read_beside(self) -> DotEnv:
        path = self._folder / _BESIDE
        self.read[path] = None
        credential = self._credential()
        if credential is not None and not _readable(path):
            self.read[credential] = None
            path = credential
        try:
            self.read[path] = data = content(path, _LARGEST_SECRET)
            pairs = parse(text(data))
        except NotUsable as error:
            if str(error) == ABSENT:
                return DotEnv()
            pairs = DotEnv(broken=[(0, f"the file {error}")])
        except NotText as error:
            pairs = DotEnv(broken=[(error.line, f"{error}; nothing of the file is used")])
        if path != credential and mode_of(path) & ~0o600:
            pairs.odd.append(
                (0, f"others than its owner may use this file, which holds secrets: chmod 600 {path.name}")
            )
        problems = sorted([*pairs.broken, *pairs.odd])
        self.warnings += [Fault(str(path), line, 1 if line else 0, "", problem) for line, problem in problems]
        return pairs

    def _credential(self) -> Path | None:
        """What systemd made of `.env` for this service, None where it did not."""
        folder = self._variables.get("CREDENTIALS_DIRECTORY", "")
        path = Path(folder, CREDENTIAL)
        return path if folder and _readable(path) else None

    def _about_beside(self) -> str:
        """What of `.env` may be why a variable is missing."""
        broken = self._beside.broken if self._beside is not None else []
        where = ", ".join(f"line {line}" if line else problem for line, problem in broken)
        return f" ({_BESIDE} beside the configuration can't be read whole: {where})" if where else ""

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
