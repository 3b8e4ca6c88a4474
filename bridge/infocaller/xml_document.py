"""XML of the platform: hardened lxml, once more for end tags that differ in case; written in ISO-8859-1.

No DTD, no entities of its own, no network, bounded depth: a document with a DOCTYPE is refused before it is parsed.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import etree

from bridge.errors import ProtocolError
from bridge.infocaller.messages import QueryAnswer
from bridge.infocaller.tree import DEEPEST, Tree
from bridge.infocaller.variables import sendable

CONTENT_TYPE = "text/xml; charset=ISO-8859-1"
NAMESPACE = "http://tempuri.org/"
HEAD = f"""<?xml version="1.0" encoding="ISO-8859-1"?>\n<ApiCall xmlns="{NAMESPACE}">"""

_DECLARATION = re.compile(r"\s*+<\?xml\s[^?>]*+\?>", re.IGNORECASE)
_PROLOG = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_ATTRIBUTES = r"""(?:[^<>"']++|"[^"]*+"|'[^']*+')*+"""
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    rf"|<(?P<end>/?)(?P<name>[^\s<>/!?=\"']++)(?P<attributes>{_ATTRIBUTES})>",
    re.DOTALL,
)
_TOLD = 10  # repairs that are told one by one; all are made
_MISMATCH = etree.ErrorTypes.ERR_TAG_NAME_MISMATCH


def parse(text: str) -> tuple[Tree, tuple[str, ...]]:
    """Return the document as a tree `{root: …}`, names in small letters and without namespaces; and what had to be
    mended.

    Its own declaration is dropped, because the text is decoded by now (and a declared `ISO-8559-1` would fail).
    ProtocolError with line and column where it is no XML, has a DOCTYPE or nests deeper than `DEEPEST`.
    """
    if declared := _DECLARATION.match(text):
        text = "\n" * declared[0].count("\n") + text[declared.end() :]
    if text.startswith("<!", _PROLOG.match(text).end()):  # type: ignore[union-attr]  # matches the empty text too
        raise ProtocolError("the document has a DOCTYPE: no document of the platform has one, and none is read")
    try:
        return _strict(text), ()
    except etree.XMLSyntaxError as error:
        crossed = error.code == _MISMATCH  # type: ignore[attr-defined]  # not in lxml's stubs
        mended, repairs = _mend(text) if crossed else ("", ())
        if not repairs:
            raise _refused(error) from None
    try:
        return _strict(mended), repairs
    except etree.XMLSyntaxError as error:
        raise _refused(error) from None


def _strict(text: str) -> Tree:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    root = etree.fromstring(text.lstrip(" \t").encode("utf-8", "replace"), parser)
    return {_name(root.tag): _tree(root, 1)}


@lru_cache(maxsize=1000)
def _name(tag: object) -> str:
    """An element's name as the tree has it."""
    if not isinstance(tag, str):
        raise ProtocolError("the document has entities of its own: none are read")
    return tag.rpartition("}")[2].lower()


def _tree(element: etree._Element, depth: int) -> Tree:
    if not len(element):
        return element.text or ""
    if depth >= DEEPEST:
        raise ProtocolError(f"the document nests deeper than {DEEPEST}: no document of the platform does")
    children: dict[str, Tree] = {}
    for child in element:
        name = _name(child.tag)
        value = _tree(child, depth + 1) if len(child) else child.text or ""
        if name not in children:
            children[name] = value
        elif isinstance(several := children[name], list):
            several.append(value)
        else:
            children[name] = [several, value]
    return children


def _refused(error: etree.XMLSyntaxError) -> ProtocolError:
    """libxml2's words may quote the document, values and all; the name of the fault does not."""
    last = error.error_log.last_error if error.error_log else None  # type: ignore[attr-defined]  # not in lxml's stubs
    fault = last.type_name.removeprefix("ERR_").replace("_", " ").lower() if last else "malformed"
    line, column = error.position
    return ProtocolError(f"the document is not XML: {fault} (line {line}, column {column})")


def _mend(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with end tags spelled as their start tags, where they differ in case alone."""
    still_open: list[str] = []
    pieces: list[str] = []
    repairs: list[str] = []
    copied = 0
    for piece in _PIECE.finditer(text):
        name = piece["name"]
        if not name or piece["attributes"].endswith("/"):
            continue
        if not piece["end"]:
            still_open.append(name)
            continue
        opened = still_open.pop() if still_open else name
        if opened != name and opened.lower() == name.lower():
            pieces += (text[copied : piece.start("name")], opened)
            copied = piece.end("name")
            if len(repairs) < _TOLD:
                repairs.append(f"end tag that differs in case in line {text.count(chr(10), 0, piece.start()) + 1}")
    return "".join((*pieces, text[copied:])), tuple(repairs)


def write(answer: QueryAnswer) -> bytes:
    """Return the answer to a Query (manual, API Interactiva V), values clean, escaped once as XML has it."""
    variables = "".join(
        f"<CustVar><VarName>{sendable(name)}</VarName><VarValue>{sendable(value)}</VarValue></CustVar>"
        for name, value in answer.variables.items()
    )
    status = f"<Result>{sendable(str(answer.result))}</Result><ResultText>{sendable(answer.text)}</ResultText>"
    text = f"{HEAD}<Status>{status}</Status><CustVars>{variables}</CustVars></ApiCall>"
    return text.encode("iso-8859-1")
