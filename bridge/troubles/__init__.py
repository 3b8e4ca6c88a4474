"""The registry of troubles: what needs a person. `status`, `/metrics`, alerts and the console show the same.

What only the moment knows is reported (`Troubles`). What can be seen in the database or on the disk at any time is
looked up (`current`).
"""

from bridge.troubles.registry import Troubles
from bridge.troubles.trouble import Severity, Trouble, trouble_id

__all__ = ["Severity", "Trouble", "Troubles", "trouble_id"]
