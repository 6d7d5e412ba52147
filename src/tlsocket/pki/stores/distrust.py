"""`Distrust`: the certificates that no store can make trusted, because a DISALLOWED store names them.

Matching is by the very certificate, as on Windows: the same key under another certificate is another entry. Path
building and credentials ask here, whatever location they work with.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from tlsocket.pki.stores.composition import layers_of
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.layers import Layer, thumbprint_of
from tlsocket.pki.stores.locations import StoreLocation

__all__ = ["Distrust"]


class Distrust:
    """What is in DISALLOWED: of this location, of the current user, of the machine, and what the system blocks.

    `in` answers for a certificate, an entry or DER. A damaged file in DISALLOWED still distrusts what its name says.
    """

    def __init__(self, location: StoreLocation | None = None) -> None:
        layers: list[Layer] = []
        places = [StoreLocation.LOCAL_MACHINE]
        if StoreLocation.CURRENT_USER.base() is not None:
            places.append(StoreLocation.CURRENT_USER)
        if location is not None and (location.kind == "folder" or location.arena is not None):
            places.append(location)
        for place in places:
            layers += [layer for layer in layers_of("DISALLOWED", place, None) if layer not in layers]
        self._layers = tuple(layers)

    def thumbprints(self) -> frozenset[str]:
        """SHA-256 of each, in hexadecimal."""
        found: set[str] = set()
        for layer in self._layers:
            if not layer.exists():
                continue
            snapshot = layer.snapshot()
            found.update(snapshot.records)
            found.update(stem for item in snapshot.broken if _is_thumbprint(stem := Path(item.path).stem))
        return frozenset(found)

    def fingerprints(self) -> frozenset[bytes]:
        """The same as bytes, as `TrustAnchors` has them."""
        return frozenset(bytes.fromhex(thumbprint) for thumbprint in self.thumbprints())

    @property
    def generation(self) -> int:
        """Grows when one of them is changed."""
        return sum(layer.generation() for layer in self._layers)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, StoreEntry):
            return item.thumbprint in self.thumbprints()
        if isinstance(item, (x509.Certificate, bytes)):
            return thumbprint_of(item) in self.thumbprints()
        return False


def _is_thumbprint(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")
