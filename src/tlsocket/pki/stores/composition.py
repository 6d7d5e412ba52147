"""Which layers make a store: its own first, then what it inherits.

CURRENT_USER shows the machine's stores beneath its own, except for MY; the machine shows the system's own beneath
its. A folder, a file and memory stand alone. What the layers are is in `folder`, `memory`, `pkcs12_file` and
`platform`.
"""

from __future__ import annotations

from pathlib import Path

from tlsocket.pki.keys import Password
from tlsocket.pki.stores.errors import StoreError
from tlsocket.pki.stores.folder import FolderLayer
from tlsocket.pki.stores.layers import Layer
from tlsocket.pki.stores.locations import StoreLocation
from tlsocket.pki.stores.memory import MemoryLayer
from tlsocket.pki.stores.pkcs12_file import Pkcs12Layer
from tlsocket.pki.stores.platform import platform_layer

__all__ = ["folder_layer", "layers_of"]


def layers_of(name: str, location: StoreLocation, password: Password) -> list[Layer]:
    """The layers of a store, its own first."""
    if location.kind == "memory":
        if location.arena is None:
            return [MemoryLayer()]
        layer: Layer = location.arena.setdefault(name, MemoryLayer())
        return [layer]
    if location.kind == "pkcs12":
        return [Pkcs12Layer(Path(location.path), password)]
    base = location.base()
    if base is None:
        raise StoreError("this user has no home of its own to keep stores in", "use StoreLocation.LOCAL_MACHINE")
    layers: list[Layer] = [folder_layer(base / name, private=location.kind != "machine")]
    if location.kind == "user" and name != "MY":
        layers += layers_of(name, StoreLocation.LOCAL_MACHINE, None)
    elif location.kind != "folder":
        system = platform_layer(name)
        if system is not None:
            layers.append(system)
    return layers


_shared: dict[tuple[str, bool], FolderLayer] = {}
_MAXIMUM_SHARED = 64


def folder_layer(path: Path, *, private: bool) -> FolderLayer:
    """The layer of a folder, shared within the process so that what was read is not read again."""
    global _shared
    key = str(path), private
    layer = _shared.get(key)
    if layer is None:
        layer = FolderLayer(path, private=private)
        # Replaced, never changed: threads and forks need no lock, and the oldest gives way.
        _shared = dict([*_shared.items(), (key, layer)][-_MAXIMUM_SHARED:])
    return layer
