"""*Calls*: all calls, looked for; and one whole."""

from bridge.web.console.pages.calls import listing, view
from bridge.web.console.pages.calls.place import section

__all__ = ["listing", "section", "view"]
