"""The hook of MkDocs: takes README.md and other pages from outside docs/ into the site, and turns links that lead
through the repository into links of the site. A link to any other file fails the strict build.

A page NAME.es.md is in Spanish, and so are then the theme's own words and the navigation beside it: the part of `nav`
that is called Español. Each page leads to its counterpart in the other language, or to that language's first page."""

from __future__ import annotations

import os.path
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page
    from mkdocs.utils.templates import TemplateContext

OUTSIDE = {  # where a file stands in the repository, and where in the site
    "README.md": "index.md",
    "README.es.md": "index.es.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "LICENSE": "LICENSE.txt",
    "config.example.yaml": "config.example.yaml",
    "examples/clinic/README.md": "examples/clinic/README.md",
    "examples/clinic/README.es.md": "examples/clinic/README.es.md",
    "examples/clinic/config.yaml": "examples/clinic/config.yaml",
    "examples/clinic/citas.csv": "examples/clinic/citas.csv",
    "examples/connector/README.md": "examples/connector/README.md",
    "examples/connector/pyproject.toml": "examples/connector/pyproject.toml",
    "examples/connector/sqlite_connector.py": "examples/connector/sqlite_connector.py",
    "examples/connector/test_sqlite_connector.py": "examples/connector/test_sqlite_connector.py",
}
LANGUAGES = {"en": "English", "es": "Español"}  # of the pages: by the word in `nav`
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files from outside docs/."""
    root = os.path.dirname(config.docs_dir)
    for source, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=os.path.join(root, source)))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:  # noqa: ARG001 - by name
    """Return the navigation as one for each language, of which `on_page_context` shows one."""
    for item in nav.items:
        if item.title not in LANGUAGES.values():
            raise ValueError(f"nav: {item.title} is none of {', '.join(LANGUAGES.values())}")
        for child in item.children or ():
            child.parent = None
    return nav


def on_page_context(context: TemplateContext, page: Page, config: MkDocsConfig, nav: Navigation) -> TemplateContext:
    """Return what the page is rendered with, in its own language."""
    language = _language(page.file.src_uri)
    pages = {other: [one for one in nav.pages if _language(one.file.src_uri) == other] for other in LANGUAGES}
    config.theme["language"] = language
    config.extra["alternate"] = []
    for other, name in LANGUAGES.items():
        twin = next((one for one in pages[other] if one.file.src_uri == _in(other, page.file.src_uri)), pages[other][0])
        config.extra["alternate"].append({"name": name, "lang": other, "link": twin.url})
    [items] = (item.children or [] for item in nav.items if item.title == LANGUAGES[language])
    own = Navigation(items, pages[language])
    own.homepage = pages[language][0]
    return {**context, "nav": own}


def _language(uri: str) -> str:
    """The language of a page."""
    return "es" if uri.endswith(".es.md") else "en"


def _in(language: str, uri: str) -> str:
    """The name that a page has in a language."""
    stem = uri.removesuffix(".md").removesuffix(".es")
    return f"{stem}.md" if language == "en" else f"{stem}.{language}.md"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - by name
    """Return the page with its links as the site needs them."""
    uri = page.file.src_uri
    source = next((path for path, its in OUTSIDE.items() if its == uri), f"docs/{uri}")

    def rewritten(link: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / link[1])
        inside = OUTSIDE.get(target, target.removeprefix("docs/"))
        return f"]({os.path.relpath(inside, PurePosixPath(uri).parent)}"

    return _LINK.sub(rewritten, markdown)
