"""The registry of troubles: what needs a person. `status`, `/metrics`, alerts and the console show the same.

What only the moment knows is reported (`Troubles`). What can be seen in the database or on the disk at any time is
looked up. `current` puts both together; `Watch` looks at them again and again and says what begins and what ends.
"""

from bridge.troubles.current import current
from bridge.troubles.observation import Place
from bridge.troubles.registry import Troubles
from bridge.troubles.trouble import IN_DATABASE, SEVERITIES, Severity, Trouble, trouble_id
from bridge.troubles.watch import Follow, Look, Watch

__all__ = [
    "IN_DATABASE",
    "SEVERITIES",
    "Follow",
    "Look",
    "Place",
    "Severity",
    "Trouble",
    "Troubles",
    "Watch",
    "current",
    "trouble_id",
]
