"""Where the section stands."""

from bridge.texts import Text
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("today", Text("Today"), order=10)
