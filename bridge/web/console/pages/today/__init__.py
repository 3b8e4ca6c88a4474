"""*Today*: what needs a person, and the day's figures."""

from bridge.web.console.pages.today import actions, view
from bridge.web.console.pages.today.place import section

__all__ = ["actions", "section", "view"]
