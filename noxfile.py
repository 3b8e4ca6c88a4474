"""The project's tasks: `nox -l` lists them, `nox -s NAME` runs one. CI runs the same.

Arguments after `--` go to the tool: `nox -s tests-3.12 -- tests/callbacks`.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = bool(os.environ.get("CI"))
nox.options.sessions = ["lint", "types", "imports", "docs", "tests-3.11"]


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests but those that take minutes."""
    session.install("--editable", ".[test]")
    session.run("python", "-m", "pytest", "--quiet", "-n", "auto", *session.posargs)


@nox.session(python="3.11")
def acceptance(session: nox.Session) -> None:
    """The tests that take minutes: processes that are killed under load."""
    session.install("--editable", ".[test]")
    session.run("python", "-m", "pytest", "--quiet", "-n", "auto", "-m", "acceptance", *session.posargs)


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """Which branches the tests run, processes that they start included. Shown, not demanded."""
    session.install("--editable", ".[test]")
    session.run(
        "python", "-m", "pytest", "--quiet", "-n", "auto", "--cov", "--cov-report=term:skip-covered", *session.posargs
    )


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Format and lint."""
    session.install("ruff>=0.9")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("--editable", ".[test]")
    session.run("mypy")


@nox.session(python="3.11")
def imports(session: nox.Session) -> None:
    """Check that each folder imports only what it may."""
    session.install("--editable", ".[test]")
    session.run("lint-imports")


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the documentation into site/. A link that leads nowhere fails."""
    session.install("--editable", ".[docs]")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python="3.11")
def example(session: nox.Session) -> None:
    """Install the example connector beside a wheel of the bridge, as its author would, and run its tests."""
    built = Path(session.create_tmp()).resolve()
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(built))
    [wheel] = built.glob("*.whl")
    session.install("--force-reinstall", f"infocaller-bridge[testing] @ {wheel.as_uri()}", "./examples/connector")
    with session.chdir("examples/connector"):
        session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python="3.11")
def benchmarks(session: nox.Session) -> None:
    """List the benchmarks, or run one: `nox -s benchmarks -- query`."""
    if not session.posargs:
        for file in sorted(Path("benchmarks").glob("*.py")):
            title = file.read_text("utf-8").partition("\n")[0].strip('"')
            if not file.name.startswith("_"):
                session.log(f"{file.stem}: {title}")
        return
    name, *arguments = session.posargs
    session.install("--editable", ".[test,bench]")
    session.run("python", "-m", f"benchmarks.{name}", *arguments)


@nox.session(python="3.11")
def fuzz(session: nox.Session) -> None:
    """Feed every parser and the HTTP interface with nonsense for a minute; longer: `nox -s fuzz -- --seconds 600`."""
    session.install("--editable", ".[fuzz]")
    given = session.posargs or ["--seconds", "30"]
    session.run("python", "-m", "tests.fuzz.parsers", *given)
    session.run("python", "-m", "tests.fuzz.interface", *given)


@nox.session(python="3.11")
def debian(session: nox.Session) -> None:
    """Walk docs/deployment.md on an empty Debian 12 that systemd boots: minutes; root, debootstrap, systemd-nspawn."""
    session.install("--editable", ".[test]")
    session.run("python", "-m", "tests.walks.debian", *session.posargs)


@nox.session(python="3.11")
def pictures(session: nox.Session) -> None:
    """Make the pictures in docs/pictures/ anew, or some: `-- console`, `mondays`, `terminal`. Look at each of them."""
    session.install("--editable", ".[test]")
    session.run("python", "docs/pictures/panel.py")
    session.run("python", "-m", "tests.pictures", *session.posargs)


@nox.session(python="3.11")
def editor(session: nox.Session) -> None:
    """Build the console's editor from editor/ (needs Node.js and npm) into the package, where it is committed."""
    session.install("--editable", ".")
    static = Path("bridge/web/console/static").resolve()
    schema = Path(session.create_tmp(), "schema.json").resolve()
    schema.write_text(str(session.run("infocaller-bridge", "schema", silent=True)), encoding="utf-8")
    with session.chdir("editor"):
        session.run("npm", "ci", external=True)
        session.run("npm", "test", env={"SCHEMA": str(schema)}, external=True)
        session.run("npm", "run", "build", "--", str(static), external=True)
