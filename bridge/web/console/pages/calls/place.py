"""Where the section stands."""

from bridge.texts import Text
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("calls", Text("Calls"), path="calls", order=30)
