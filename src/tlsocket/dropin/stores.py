"""What certificate stores add to a context's trust: the user's and the machine's ROOT, CA and DISALLOWED.

Most machines have none, so each function looks first whether there is one, and loads `tlsocket.pki.stores` only then.
What stores are and how they are kept is that package's matter; credentials from stores are `credentials`'s.
"""

from __future__ import annotations

import os

from tlsocket.pki.trust.anchors import TrustAnchors

__all__ = ["DistrustWatch", "intermediates", "roots"]


def roots() -> TrustAnchors | None:
    """The anchors of the user's ROOT store, the machine's and the platform's among them; None without a store."""
    from tlsocket.pki.stores.locations import any_store_exists

    if not any_store_exists("ROOT"):
        return None
    from tlsocket.pki.stores import CertificateStore, StoreLocation

    with CertificateStore("ROOT", StoreLocation.of_trust()) as store:
        return store.anchors()


def intermediates() -> tuple[TrustAnchors, ...]:
    """Untrusted certificates of authorities, from CA stores, that may complete a path."""
    from tlsocket.pki.stores.locations import any_store_exists

    if not any_store_exists("CA"):
        return ()
    from tlsocket.pki.stores import CertificateStore, StoreLocation

    with CertificateStore("CA", StoreLocation.of_trust()) as store:
        return (store.anchors(),)


class DistrustWatch:
    """What DISALLOWED stores hold at this moment. Asked on every handshake, so that a distrust counts at once.

    Where there is no such store, asking costs two looks at folders that do not exist.
    """

    __slots__ = ("_distrust", "_folders")

    def __init__(self) -> None:
        from tlsocket.pki.stores.locations import BLOCKED_FOLDERS, trusted_folders

        self._folders = [os.path.join(folder, "DISALLOWED") for folder in trusted_folders()]
        # What the system blocks belongs to the system: looked for once.
        self._folders += [folder for folder in map(os.fspath, BLOCKED_FOLDERS) if os.path.isdir(folder)]
        self._distrust: object = None

    def generation(self) -> int:
        """Another number after every change; -1 while there is nothing."""
        if self._distrust is None and not any(map(os.path.exists, self._folders)):
            return -1
        from tlsocket.pki.stores.distrust import Distrust

        if not isinstance(self._distrust, Distrust):
            self._distrust = Distrust()
        return self._distrust.generation

    def fingerprints(self) -> frozenset[bytes]:
        """SHA-256 of each certificate that is distrusted now."""
        from tlsocket.pki.stores.distrust import Distrust

        return self._distrust.fingerprints() if isinstance(self._distrust, Distrust) else frozenset()
