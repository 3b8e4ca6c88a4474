"""*Try it*: a Query asked as a call would ask it; nothing is saved."""

from bridge.web.console.pages.trying import actions, view
from bridge.web.console.pages.trying.place import section

__all__ = ["actions", "section", "view"]
