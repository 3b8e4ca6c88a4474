"""For those who watch over the bridge: alive, ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify, request

from bridge.metrics import CONTENT_TYPE, Metrics, Now
from bridge.web.gate import Gate
from bridge.web.intake import TAKEN

Check = Callable[[], tuple[str, bool]]
"""How something is, for a person (`ok`), and whether the bridge can do its work with it so."""


def install(app: Flask, gate: Callable[[], Gate], metrics: Metrics, now: Now, checks: dict[str, Check]) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`. `now`: what `/metrics` looks up besides `metrics`. `checks`: what
    has to be well for the bridge to be ready, by name."""

    @app.get("/healthz")
    def healthz() -> Response:
        request.environ[TAKEN].entry.route = "healthz"
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        request.environ[TAKEN].entry.route = "readyz"
        found = {name: check() for name, check in checks.items()}
        told = {"configuration": "ok"} | {name: text for name, (text, _) in found.items()}
        ready = all(well for _, well in found.values())
        return jsonify(status="ready" if ready else "not ready", checks=told), 200 if ready else 503

    @app.get("/metrics")
    def figures() -> tuple[Response, int]:
        request.environ[TAKEN].entry.route = "metrics"
        forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"))
        if not gate().reads_metrics(request.headers.get("Authorization", ""), request.remote_addr or "", forwarded):
            return jsonify(error="send server.metrics_token as a bearer token, or ask from the machine itself"), 401
        return Response(metrics.text(now), content_type=CONTENT_TYPE), 200
