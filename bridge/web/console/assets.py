"""The files that pages need, for anybody, kept by browsers for as long as they do not change."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from flask import Flask, abort, request
from werkzeug.wrappers import Response

from bridge.web.console.sections import PREFIX

ENDPOINT = "static_file"
_TYPES = {
    "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
    "png": "image/png", "woff2": "font/woff2", "txt": "text/plain; charset=utf-8",
}  # fmt: skip
_YEAR = "public, max-age=31536000, immutable"


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Each file by its name: its content, its type, its hash."""
    files = {}
    for file in resources.files("bridge.web.console").joinpath("static").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            content = file.read_bytes()
            files[file.name] = content, kind, hashlib.sha256(content).hexdigest()[:16]
    return files


def address(name: str) -> str:
    """Return where a file is. Raises KeyError where there is none of this name."""
    return f"{PREFIX}static/{name}?v={_files()[name][2]}"


def install(app: Flask) -> None:
    """Add the URL of scripts, styles and pictures."""

    @app.get(f"{PREFIX}static/<name>", endpoint=ENDPOINT)
    def static_file(name: str) -> Response:
        if name not in _files():
            abort(404)
        content, kind, digest = _files()[name]
        response = Response(content, content_type=kind)
        response.set_etag(digest)
        response.headers["Cache-Control"] = _YEAR if request.args.get("v") == digest else "no-cache"
        return response.make_conditional(request.environ)
