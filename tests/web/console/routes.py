"""Every route of the console's sections: what the tests that walk through all of them go by."""

from __future__ import annotations

from flask import Flask

from bridge.web.console.site import sections


def _routes() -> list[tuple[str, str, str]]:
    app = Flask("routes", static_folder=None)
    for section in sections():
        app.register_blueprint(section.blueprint)
    return sorted(
        (rule.endpoint, "POST" if "POST" in (rule.methods or ()) else "GET", rule.rule)
        for rule in app.url_map.iter_rules()
    )


ROUTES = _routes()
"""Endpoint, method and rule of each."""
