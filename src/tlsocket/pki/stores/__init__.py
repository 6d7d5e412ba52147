"""Certificate stores: where certificates and their private keys live, are found, and are distrusted.

`CertificateStore(StoreName.MY, StoreLocation.CURRENT_USER)` is the way in. A store is made of layers (`layers`): one
that can be written, in memory, in a folder or in a PKCS #12 file, and read-only ones beneath it, the machine's and the
platform's. Whether a chain is believed is `tlsocket.pki.trust`'s part; containers are `tlsocket.pki.formats`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket.pki.loading import names_of

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

# Whoever only asks whether there are stores need not load them all.
__getattr__ = names_of(__name__, _MODULE_OF)
