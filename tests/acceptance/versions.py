"""Other versions of the bridge to run beside this one: the next one, which is this one with one more migration, and
those of earlier commits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bridge.store.tables import OLDEST, REVISION

ROOT = Path(__file__).parents[2]
NEXT = f"{int(REVISION) + 1:04}"
STEP = f'''
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.add_column("events", sa.Column("later", sa.Text(), nullable=False, server_default="of the next version"))
'''


def next_version(folder: Path, *, oldest: str) -> Path:
    """Return the folder of the next version's code, made below `folder`. `oldest`: whom it wants beside itself."""
    code = folder / "next"
    for package in ("bridge", "connectors"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "bridge" / "store" / "migrations" / "versions" / f"{NEXT}_next.py").write_text(STEP, encoding="utf-8")
    tables = code / "bridge" / "store" / "tables.py"
    text = tables.read_text(encoding="utf-8")
    for name, before, after in (("REVISION", REVISION, NEXT), ("OLDEST", OLDEST, oldest)):
        assert f'{name} = "{before}"' in text
        text = text.replace(f'{name} = "{before}"', f'{name} = "{after}"')
    tables.write_text(text, encoding="utf-8")
    return code


def earlier_version(folder: Path, commit: str) -> Path:
    """Return the folder of a commit's code, made below `folder`."""
    code = folder / commit
    code.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "bridge", "connectors"], check=True, stdout=subprocess.PIPE
    )
    subprocess.run(["tar", "-x", "-C", str(code)], check=True, input=archive.stdout)
    return code
