"""Which connectors there are: those that installed packages offer by the entry-point group
`infocaller_bridge.connectors`, the built-in ones among them. Nothing is read at import; call `installed()`.

A package offers one like this, and `type: mycrm` then means that class:

    [project.entry-points."infocaller_bridge.connectors"]
    mycrm = "my_package.my_module:MyConnector"

One that can't be loaded is left out and kept with its reason in `Registry.broken`; the others work all the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from connectors.base import Connector, ConnectorOptions, Misconfigured

GROUP = "infocaller_bridge.connectors"
_OWN = "connectors."


@dataclass(frozen=True)
class Registry:
    """The connectors of an installation: `classes` by type name, and why those in `broken` can't be used."""

    classes: Mapping[str, type[Connector]]
    broken: Mapping[str, str]

    def connector(self, type_name: str) -> type[Connector]:
        """The class for `type: NAME`. Raises `Misconfigured`, which says what was meant, or what is wrong with it."""
        found = self.classes.get(type_name)
        if found is None:
            raise Misconfigured(self.why_not(type_name))
        return found

    def why_not(self, type_name: str) -> str:
        """Why there is no such connector, and what to write instead."""
        if type_name in self.broken:
            return self.broken[type_name]
        near = difflib.get_close_matches(type_name.lower(), [*self.classes, *self.broken], 1)
        known = ", ".join(sorted(self.classes))
        hint = f"did you mean {near[0]}?" if near else f"there are {known}"
        return f"there is no connector of type {type_name}; {hint}"

    def options_types(self) -> dict[str, type[ConnectorOptions]]:
        """What a section of each type may hold, by type name."""
        return {name: connector.Options for name, connector in self.classes.items()}


def load(points: Iterable[EntryPoint]) -> Registry:
    """The connectors that these entry points name. A name that is taken stays with the built-in one, else the first."""
    classes: dict[str, type[Connector]] = {}
    broken: dict[str, str] = {}
    for point in sorted(points, key=lambda point: (not point.value.startswith(_OWN), point.name, point.value)):
        try:
            loaded = _load(point)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's module does at import, the others go on
            broken.setdefault(point.name, f"connector {_whose(point)} can't be loaded: {type(error).__name__}: {error}")
            continue
        if point.name in classes and classes[point.name] is not loaded:
            broken[f"{point.name} ({point.value})"] = f"connector {_whose(point)} is left out: {point.name} is taken"
            continue
        classes[point.name] = loaded
    return Registry(classes, {name: reason for name, reason in broken.items() if name not in classes})


@cache
def installed() -> Registry:
    """The connectors of this installation, read once."""
    return load(entry_points(group=GROUP))


def options_types() -> dict[str, type[ConnectorOptions]]:
    """What a section of each installed type may hold, by type name."""
    return installed().options_types()


def _load(point: EntryPoint) -> type[Connector]:
    loaded = point.load()
    if not (isinstance(loaded, type) and issubclass(loaded, Connector)):
        raise TypeError("it is no class derived from connectors.base.Connector")
    options = getattr(loaded, "Options", None)
    if not (isinstance(options, type) and issubclass(options, ConnectorOptions)):
        raise TypeError("its Options is no class derived from connectors.base.ConnectorOptions")
    if point.name not in get_args(options.model_fields["type"].annotation):
        raise TypeError(f'its Options lacks `type: Literal["{point.name}"]`')
    return loaded


def _whose(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"{point.name}{package} ({point.value})"
