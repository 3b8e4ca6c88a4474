"""*Callbacks*: whom the bridge calls, what keeps it back, and campaigns from a file."""

from bridge.web.console.pages.callbacks import actions, campaign_actions, campaigns, view
from bridge.web.console.pages.callbacks.place import section

__all__ = ["actions", "campaign_actions", "campaigns", "section", "view"]
