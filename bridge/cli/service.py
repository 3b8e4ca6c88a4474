"""`service`: the bridge as a service of systemd."""

from __future__ import annotations

import difflib
import os
import pwd
import shlex
import stat
import sys
from pathlib import Path

import click

from bridge.cli.language import language as reader
from bridge.cli.language import words
from bridge.cli.options import Group, config_option
from bridge.config.load import Loaded, load
from bridge.errors import BridgeError
from bridge.setup.unit import FILE, NAME, STATE, Unit, as_we_wrote_it, written_folders
from bridge.texts import Language, Text

_UNITS = Path("/etc/systemd/system")
_USER = "infocaller"
_BESIDE = ".env"

directory_option = click.option(
    "--directory", type=click.Path(path_type=Path, file_okay=False), default=_UNITS, show_default=True,
    help="Where the unit goes.",
)  # fmt: skip
force_option = click.option("--force", is_flag=True, help="Also if somebody has changed the unit; it is kept as .old.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


class LeftAsItIs(BridgeError):
    """The service is left as it is; `reason` says why and what to do."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


@click.group(cls=Group)
def service() -> None:
    """The bridge as a service of systemd, which starts with the machine."""


@service.command()
@config_option
@click.option("--run-as", "user", metavar="USER", help="The user it runs as. [default: whose the configuration is]")
@click.option("--web", is_flag=True, help="Only answer the platform, as `serve --web`.")
@click.option("--work", is_flag=True, help="Only do the background work, as `serve --work`.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and do nothing.")
@dry_run_option
@force_option
@directory_option
def install(
    config: Path, user: str | None, web: bool, work: bool, only_print: bool, dry_run: bool, force: bool, directory: Path
) -> int:
    """Write a hardened unit for systemd (as root), and say how to start it."""
    if web and work:
        raise click.UsageError(words(Text("--web and --work together are simply `serve`")))
    loaded = load(config)
    language = reader()
    half = ["--web"] * web + ["--work"] * work
    unit = _unit(loaded, user, half)
    if only_print:
        click.echo(unit.text(), nl=False)
        return 0
    try:
        _look_at_user(unit, loaded)
        return _install(unit, directory / FILE, language, dry_run=dry_run, force=force)
    except LeftAsItIs as error:
        click.echo(Text("error: {reason}", reason=error.reason).render(language), err=True)
        return 1


@service.command()
@dry_run_option
@force_option
@directory_option
def uninstall(dry_run: bool, force: bool, directory: Path) -> int:
    """Remove the unit that `service install` wrote; all else stays."""
    language = reader()
    try:
        return _uninstall(directory / FILE, language, dry_run=dry_run, force=force)
    except LeftAsItIs as error:
        click.echo(Text("error: {reason}", reason=error.reason).render(language), err=True)
        return 1


def _unit(loaded: Loaded, user: str | None, half: list[str]) -> Unit:
    config = loaded.path.resolve()
    script = Path(sys.prefix, "bin", NAME)
    program = [str(script)] if script.exists() else [sys.executable, "-m", "bridge"]
    secrets = loaded.folder.resolve() / _BESIDE
    return Unit(
        command=[*program, "serve", *half, "--config", str(config)],
        user=user or _owner(config),
        secrets=secrets if secrets.exists() else None,
        writes=written_folders(loaded),
        reads=[config, Path(sys.prefix), Path(sys.base_prefix), Path(__file__)],
    )


def _owner(path: Path) -> str:
    """Whose a file is; never root, who would be more than the bridge needs."""
    owner = path.stat().st_uid
    try:
        return pwd.getpwuid(owner).pw_name if owner else _USER
    except KeyError:
        return _USER


def _look_at_user(unit: Unit, loaded: Loaded) -> None:
    """Raise `LeftAsItIs` where the unit's user is not there, or can't reach what it needs."""
    name, config = shlex.quote(unit.user), loaded.path.resolve()
    make = f"useradd --system --home-dir {STATE} --shell /usr/sbin/nologin {name}"
    give = f"chown -R {name}: {shlex.quote(str(config.parent))}"
    try:
        user = pwd.getpwnam(unit.user)
    except KeyError:
        raise LeftAsItIs(
            Text(
                "there is no user {user} yet. Make it, give it the configuration, then install again:\n"
                "  {make}\n  {give}",
                user=unit.user, make=make, give=give,
            )
        ) from None  # fmt: skip
    for program in (Path(unit.command[0]), Path(sys.executable).resolve()):
        if (closed := _closed(program, os.X_OK, user)) is not None:
            raise LeftAsItIs(
                Text(
                    "the user {user} can't start {program}: {closed} is closed to it. Install the bridge where it can, "
                    "such as in /opt/{name}, with a Python of the system",
                    user=unit.user, program=program, closed=closed, name=NAME,
                )
            )  # fmt: skip
    if (closed := _closed(config, os.R_OK, user)) is not None:
        raise LeftAsItIs(
            Text(
                "the user {user} can't read {config}: {closed} is closed to it. Move the configuration to "
                "/etc/{name}, or give it the folder, then install again:\n  {give}",
                user=unit.user, config=config, closed=closed, name=NAME, give=give,
            )
        )  # fmt: skip


def _closed(path: Path, access: int, user: pwd.struct_passwd) -> Path | None:
    """Return the first part of a path that keeps the user out, None where none does."""
    groups = set(os.getgrouplist(user.pw_name, user.pw_gid))
    for part in (*reversed(path.parents), path):
        about, need = part.stat(), access if part == path else os.X_OK
        shift = 6 if about.st_uid == user.pw_uid else 3 if about.st_gid in groups else 0
        if user.pw_uid != 0 and not stat.S_IMODE(about.st_mode) >> shift & need:
            return part
    return None


def _install(unit: Unit, path: Path, language: Language, *, dry_run: bool, force: bool) -> int:
    text = unit.text()
    before = path.read_text("utf-8") if path.exists() else None
    if before is not None and before != text and not as_we_wrote_it(before):
        for line in difflib.unified_diff(before.splitlines(), text.splitlines(), str(path), "install", lineterm=""):
            click.echo(line, err=True)
        if not force:
            raise LeftAsItIs(
                Text(
                    "{path} was changed by somebody, and is left as it is. Put your changes into a drop-in "
                    "(systemctl edit {name}), then install with --force, which keeps this one as {old}",
                    path=path, name=NAME, old=_old(path),
                )
            )  # fmt: skip
    if before == text:
        _say(Text("{path} is as it should be.", path=path), language)
    elif dry_run:
        _say(Text("{path} would be written.", path=path), language)
    else:
        _write(path, text, keep=before is not None and not as_we_wrote_it(before))
        _say(Text("{path} is written.", path=path), language)
    _say(Text("Next, as root:"), language)
    click.echo(f"  systemctl daemon-reload\n  systemctl enable --now {NAME}\n  systemctl status {NAME}")
    restart = f"systemctl restart {NAME}"
    _say(Text("After an upgrade: {command}", command=restart), language)
    return 0


def _uninstall(path: Path, language: Language, *, dry_run: bool, force: bool) -> int:
    if not path.exists():
        _say(Text("{path} is not there: nothing to remove.", path=path), language)
        return 0
    starts = path.parent / "multi-user.target.wants" / FILE
    first = f"systemctl disable --now {NAME}"
    if os.path.lexists(starts):
        raise LeftAsItIs(Text("the service still starts with the machine. First: {command}",
                           command=first))  # fmt: skip
    ours = as_we_wrote_it(path.read_text("utf-8"))
    if not ours and not force:
        raise LeftAsItIs(
            Text("{path} was changed by somebody, and is left as it is; --force removes it, and keeps it as {old}",
                 path=path, old=_old(path))
        )  # fmt: skip
    if dry_run:
        _say(Text("{path} would be removed.", path=path), language)
        return 0
    _write(path, None, keep=not ours)
    _say(Text("{path} is removed. Next, as root: systemctl daemon-reload", path=path), language)
    _say(
        Text("Configuration, secrets, database and state are still there: docs/upgrade.md says how to remove them."),
        language,
    )
    return 0


def _write(path: Path, text: str | None, *, keep: bool) -> None:
    """Give a unit this text, None to remove it. `keep`: what was there stays as `.old`. Raises `LeftAsItIs`."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        if text is not None:
            temporary.write_text(text, "utf-8")
            temporary.chmod(0o644)
        if keep:
            path.replace(_old(path))
        if text is not None:
            temporary.replace(path)
        elif not keep:
            path.unlink()
    except PermissionError:
        raise LeftAsItIs(Text("{folder} is root's: put sudo before the command", folder=path.parent)) from None
    except OSError as error:
        raise LeftAsItIs(Text("{path} can't be written: {error}", path=path, error=error.strerror or "")) from None


def _old(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def _say(text: Text, language: Language) -> None:
    click.echo(text.render(language))
