"""Whom `serve` and `connect` believe, and with what they prove who they are, out of the stores.

Stores, authorities and verification are `tlsocket.pki`'s; here they are put into a context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tlsocket as ssl
from tlsocket.cli.common import StoreAccess, own_stores
from tlsocket.pki.authority.live_revocation import LiveRevocation
from tlsocket.pki.certificates import certificate_der, subject_text
from tlsocket.pki.errors import Refusal
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.layers import thumbprint_of
from tlsocket.pki.stores.locations import StoreLocation, StoreName

if TYPE_CHECKING:
    from tlsocket.pki.trust.review import PathReview

__all__ = ["refuse_revoked", "trust_root", "verify_with"]

Callback = Callable[["PathReview"], None]



def trust_root(context: ssl.SSLContext, stores: StoreAccess) -> None:
    """Trust what people put into ROOT, besides what the context trusts already."""
    if stores.location.kind == "pkcs12":
        return
    opened = own_stores(stores, StoreName.ROOT)
    mine = [certificate_der(certificate) for store in opened for certificate in store.anchors()]
    if mine:
        context.load_verify_locations(cadata=b"".join(dict.fromkeys(mine)))


def refuse_revoked(location: StoreLocation) -> LiveRevocation | None:
    """Asks the ledgers of the authorities at a location; None where there can be none."""
    folder = location.authorities()
    return None if folder is None else LiveRevocation(folder)


def verify_with(context: ssl.SSLContext, location: StoreLocation, *callbacks: Callback) -> None:
    """Have the callbacks look at each path, and refuse what is in DISALLOWED."""
    distrust = Distrust(location)

    def review_path(review: PathReview) -> None:
        distrusted = distrust.thumbprints()
        for depth, certificate in enumerate(review.path):
            if thumbprint_of(certificate) in distrusted:
                review.refuse(
                    f"the certificate of {subject_text(certificate)} is in a DISALLOWED store",
                    "do not use this peer; or take it out of there (tlsocket store trust)",
                    depth,
                    refusal=Refusal.DISTRUSTED,
                )
        for callback in callbacks:
            callback(review)

    context.verify_callback = review_path
