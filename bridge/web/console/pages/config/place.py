"""Where the section stands."""

from bridge.texts import Text
from bridge.web.console.sections import ConsoleSection, Role

section = ConsoleSection("config", Text("Configuration"), path="config", order=120, role=Role.ADMIN)
