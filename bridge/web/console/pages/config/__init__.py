"""*Configuration*: what is in force, the file as text, its versions."""

from bridge.web.console.pages.config import actions, view
from bridge.web.console.pages.config.place import section

__all__ = ["actions", "section", "view"]
