"""The section of callbacks and campaigns."""

from bridge.texts import Text
from bridge.web.console.sections import ConsoleSection

section = ConsoleSection("callbacks", Text("Callbacks"), path="callbacks", order=50)
