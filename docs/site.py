"""The hook of MkDocs: takes README.md and other pages from outside docs/ into the site, and turns links that lead
through the repository into links of the site. A link to any other file fails the strict build."""

from __future__ import annotations

import os.path
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

OUTSIDE = {  # where a file stands in the repository, and where in the site
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "LICENSE": "LICENSE.txt",
    "config.example.yaml": "config.example.yaml",
    "examples/clinic/README.md": "examples/clinic/README.md",
    "examples/clinic/config.yaml": "examples/clinic/config.yaml",
    "examples/clinic/citas.csv": "examples/clinic/citas.csv",
    "examples/connector/README.md": "examples/connector/README.md",
    "examples/connector/pyproject.toml": "examples/connector/pyproject.toml",
    "examples/connector/sqlite_connector.py": "examples/connector/sqlite_connector.py",
    "examples/connector/test_sqlite_connector.py": "examples/connector/test_sqlite_connector.py",
}
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files from outside docs/."""
    root = os.path.dirname(config.docs_dir)
    for source, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=os.path.join(root, source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - by name
    """Return the page with its links as the site needs them."""
    uri = page.file.src_uri
    source = next((path for path, its in OUTSIDE.items() if its == uri), f"docs/{uri}")

    def rewritten(link: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / link[1])
        inside = OUTSIDE.get(target, target.removeprefix("docs/"))
        return f"]({os.path.relpath(inside, PurePosixPath(uri).parent)}"

    return _LINK.sub(rewritten, markdown)
