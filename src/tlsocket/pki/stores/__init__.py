"""Certificate stores: where certificates and their private keys live, are found, and are distrusted.

`CertificateStore(StoreName.MY, StoreLocation.CURRENT_USER)` is the way in. A store is made of layers (`layers`): one
that can be written, in memory, in a folder or in a PKCS #12 file, and read-only ones beneath it, the machine's and the
platform's. Whether a chain is believed is `tlsocket.pki.trust`'s part; containers are `tlsocket.pki.formats`'s.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsocket.pki.stores.credentials import complete_chain, credentials_of
    from tlsocket.pki.stores.distrust import Distrust
    from tlsocket.pki.stores.entry import StoreEntry
    from tlsocket.pki.stores.errors import (
        AmbiguousEntry,
        BadFindValue,
        DistrustedCertificate,
        EntryNotFound,
        MissingStore,
        ReadOnlyStore,
        StoreBusy,
        StoreError,
    )
    from tlsocket.pki.stores.find import FindType
    from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName
    from tlsocket.pki.stores.store import CertificateStore

__all__ = [
    "AmbiguousEntry",
    "BadFindValue",
    "CertificateStore",
    "Distrust",
    "DistrustedCertificate",
    "EntryNotFound",
    "FindType",
    "MissingStore",
    "OpenMode",
    "ReadOnlyStore",
    "StoreBusy",
    "StoreEntry",
    "StoreError",
    "StoreLocation",
    "StoreName",
    "complete_chain",
    "credentials_of",
]

_MODULES = {
    "credentials": ("complete_chain", "credentials_of"),
    "entry": ("StoreEntry",),
    "errors": (
        "AmbiguousEntry",
        "BadFindValue",
        "DistrustedCertificate",
        "EntryNotFound",
        "MissingStore",
        "ReadOnlyStore",
        "StoreBusy",
        "StoreError",
    ),
    "find": ("FindType",),
    "locations": ("OpenMode", "StoreLocation", "StoreName"),
    "distrust": ("Distrust",),
    "store": ("CertificateStore",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Each name is loaded when it is first used: whoever only asks whether there are stores need not load them all.
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
