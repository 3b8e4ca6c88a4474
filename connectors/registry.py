"""The connectors that installed packages offer by the entry-point group `infocaller_bridge.connectors`, the built-in
ones among them. `installed()` finds them; each is loaded when it is first asked for.

This makes `type: mycrm` mean a class of `my_package`:

    [project.entry-points."infocaller_bridge.connectors"]
    mycrm = "my_package.my_module:MyConnector"

A connector that can't be loaded is told to whoever asks for it, with the reason; the others work all the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from connectors.base import Connector, ConnectorOptions, Misconfigured

GROUP = "infocaller_bridge.connectors"
_OWN = "connectors."


class Registry:
    """The connectors of an installation, by type name. Of several with one name, the built-in or the first that can be
    loaded wins."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points: dict[str, list[EntryPoint]] = {}
        self._loaded: dict[str, type[Connector] | str] = {}
        for point in sorted(points, key=lambda point: (not point.value.startswith(_OWN), point.name, point.value)):
            self._points.setdefault(point.name, []).append(point)

    @property
    def names(self) -> list[str]:
        """The type names, sorted. Not each of them need be loadable."""
        return sorted(self._points)

    def connector(self, type_name: str) -> type[Connector]:
        """Return the class for `type: NAME`. Raises `Misconfigured`, which suggests a name or says what is broken."""
        loaded = self._load(type_name)
        if isinstance(loaded, str):
            raise Misconfigured(loaded)
        return loaded

    def options_types(self) -> dict[str, type[ConnectorOptions]]:
        """Return the model of each loadable type's section, by type name."""
        loaded = {name: self._load(name) for name in self.names}
        return {name: class_.Options for name, class_ in loaded.items() if not isinstance(class_, str)}

    def _load(self, type_name: str) -> type[Connector] | str:
        """The class, or why there is none."""
        if type_name not in self._points:
            near = difflib.get_close_matches(type_name.lower(), self.names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.names)}"
            return f"there is no connector of type {type_name}; {hint}"
        if type_name not in self._loaded:
            self._loaded[type_name] = _first_loadable(self._points[type_name])
        return self._loaded[type_name]


@cache
def installed() -> Registry:
    """Return the connectors of this installation, found once."""
    return Registry(entry_points(group=GROUP))


def _first_loadable(points: Iterable[EntryPoint]) -> type[Connector] | str:
    reason = ""
    for point in points:
        try:
            return _load(point)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's module does at import, the others go on
            reason = reason or f"connector {_whose(point)} can't be loaded: {type(error).__name__}: {error}"
    return reason


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
