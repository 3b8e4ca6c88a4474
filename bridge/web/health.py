"""For those who watch over the bridge: alive, ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from bridge.service.metrics import CONTENT_TYPE, Metrics, Now
from bridge.web.gate import AccessPolicy
from bridge.web.request import RAW

_ADDED_BY_PROXIES = (
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Server", "Forwarded", "X-Real-IP", "Via",
    "X-Original-Forwarded-For", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP",
)  # fmt: skip
ALIVE = "/healthz"
_READY, _FIGURES = "/readyz", "/metrics"
PATHS = (_READY, _FIGURES)
"""What has to be looked up."""
Check = Callable[[], tuple[str, bool]]
"""How something is, for a person (`ok`), and whether the bridge can do its work with it so."""


def install(app: Flask, gate: Callable[[], AccessPolicy], metrics: Metrics, now: Now, checks: dict[str, Check]) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`. `now`: what `/metrics` looks up besides `metrics`. `checks`: what
    has to be well for the bridge to be ready, by name."""

    @app.get(ALIVE)
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get(_READY)
    def readyz() -> tuple[Response, int]:
        request.environ[RAW].entry.route = "readyz"
        results = {name: check() for name, check in checks.items()}
        texts = {"configuration": "ok"} | {name: text for name, (text, _) in results.items()}
        ready = all(well for _, well in results.values())
        return jsonify(status="ready" if ready else "not ready", checks=texts), 200 if ready else 503

    @app.get(_FIGURES)
    def figures() -> tuple[Response, int]:
        request.environ[RAW].entry.route = "metrics"
        forwarded = any(name in request.headers for name in _ADDED_BY_PROXIES)
        authorization, host = request.headers.get("Authorization", ""), request.headers.get("Host", "")
        if not gate().reads_metrics(authorization, request.remote_addr or "", host, forwarded):
            reason = "send server.metrics_token as a bearer token, or ask from the machine itself, as localhost"
            return jsonify(error=reason), 401
        return Response(metrics.text(now), content_type=CONTENT_TYPE), 200
