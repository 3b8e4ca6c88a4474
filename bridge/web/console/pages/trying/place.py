"""Where the section stands."""

from bridge.texts import Text
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("try", Text("Try it"), path="try", order=100)
