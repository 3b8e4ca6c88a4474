"""The unit of the bridge for systemd: its text, and whether one that is there is ours as we wrote it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.config.environment import CREDENTIAL
from bridge.config.load import Loaded
from bridge.errors import StoreUnavailable
from bridge.store.database import unprepared
from connectors.base import ConnectorOptions

NAME = "infocaller-bridge"
FILE = f"{NAME}.service"
STATE = Path("/var/lib", NAME)
"""What systemd makes for the service (`StateDirectory=`), and lets it write."""
_HOMES = ("/home", "/root", "/run/user")
_MARK = re.compile(r"^# Written by `infocaller-bridge service install`, digest ([0-9a-f]{16})\.", re.M)

_UNIT = """\
# To change it, write a drop-in (`systemctl edit infocaller-bridge`), which the next `service install` leaves as it is.

[Unit]
Description=infocaller-bridge: connects Infocaller phone lines to a CRM
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
User={user}
KillMode=mixed
Restart=always
RestartSec=2
WatchdogSec=60
TimeoutStartSec=infinity
TimeoutStopSec=60
LimitNOFILE=32768
UMask=0027
{places}
# What it need not be able to do. `systemd-analyze security infocaller-bridge` explains each line.
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Unit:
    """What a unit depends on. `command`: the words that start the bridge; `secrets`: the `.env` that systemd hands to
    it, None for none; `writes`: the folders besides `STATE` in which it writes; `reads`: other places that it needs."""

    command: Sequence[str]
    user: str
    secrets: Path | None
    writes: Sequence[Path]
    reads: Sequence[Path] = ()

    def text(self) -> str:
        """Return the file, with a first line by which we know it again."""
        places = [f"StateDirectory={NAME}", "StateDirectoryMode=0750"]
        places += [
            f"ReadWritePaths={_quoted(f'-{folder}')}" for folder in self.writes if not folder.is_relative_to(STATE)
        ]
        if self.secrets is not None:
            places.append(f"LoadCredential={CREDENTIAL}:{_escaped(str(self.secrets))}")
        at_home = any(path.is_relative_to(home) for home in _HOMES for path in (*self.writes, *self.reads))
        body = _UNIT.format(
            command=" ".join(_quoted(word, dollar=True) for word in self.command),
            user=self.user,
            places="\n".join(places),
            home="read-only" if at_home else "yes",
        )
        return f"# Written by `infocaller-bridge service install`, digest {_digest(body)}.\n{body}"


def as_we_wrote_it(text: str) -> bool:
    """Return whether a unit is one of ours, of whichever version, that nobody has changed."""
    mark = _MARK.match(text)
    return mark is not None and mark[1] == _digest(text.partition("\n")[2])


def written_folders(loaded: Loaded) -> list[Path]:
    """Return the folders in which a bridge with this configuration writes: its own, those of the database, of `state:`
    and of the connectors' files."""
    folders = [loaded.folder, loaded.folder / loaded.configuration.state]
    try:
        database = unprepared(loaded.configuration.database.get_secret_value(), loaded.folder)
        folders += [database.path.parent] if database.path else []
        database.close()
    except StoreUnavailable:
        pass  # a driver that is missing here: `serve` says so
    for options in loaded.configuration.connectors.values():
        folders += [(loaded.folder / file).parent for file in _files(options)]
    resolved = sorted({folder.resolve() for folder in folders})
    return [
        folder for folder in resolved if not any(folder != other and folder.is_relative_to(other) for other in resolved)
    ]


def _files(options: ConnectorOptions) -> Iterable[str]:
    """The local files that a connector's section names as `file:`."""
    stack: list[Any] = [options.model_dump()]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            file = value.get("file")
            if isinstance(file, str) and "://" not in file:
                yield file
            stack += value.values()
        elif isinstance(value, list | tuple):
            stack += value


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _escaped(text: str) -> str:
    """A text as systemd reads it: `%` begins a specifier."""
    return text.replace("%", "%%")


def _quoted(word: str, *, dollar: bool = False) -> str:
    """A word of a list, in quotes where it needs them; `dollar`: where `$` would begin a variable."""
    escaped = _escaped(word.replace("\\", "\\\\").replace('"', '\\"'))
    escaped = escaped.replace("$", "$$") if dollar else escaped
    return escaped if re.fullmatch(r"[\w/.,:@%+=$-]+", escaped) else f'"{escaped}"'
