"""Whom `serve` and `connect` believe, and with what they prove who they are, out of the stores.

Stores, authorities and verification are `tlsocket.pki`'s; here they are put into a context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tlsocket as ssl
from tlsocket.cli.common import StoreAccess
from tlsocket.cli.output import CommandError
from tlsocket.pki.authority.live_revocation import LiveRevocation
from tlsocket.pki.certificates import certificate_der, subject_text
from tlsocket.pki.errors import Refusal
from tlsocket.pki.requests import EXTENDED_KEY_USAGES
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.layers import thumbprint_of
from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName
from tlsocket.pki.stores.platform import PlatformLayer
from tlsocket.pki.stores.store import CertificateStore

if TYPE_CHECKING:
    from tlsocket.pki.trust.review import PathReview

__all__ = ["load_entry", "refuse_revoked", "trust_store", "verify_with"]

Callback = Callable[["PathReview"], None]

CLIENT = EXTENDED_KEY_USAGES["clientAuth"].dotted_string
SERVER = EXTENDED_KEY_USAGES["serverAuth"].dotted_string


def load_entry(context: ssl.SSLContext, text: str, stores: StoreAccess) -> None:
    """The certificate, chain and key of an entry of MY, as the context's own."""
    _, entry = stores.find(text)
    context.load_cert_chain(entry)


def trust_store(context: ssl.SSLContext, name: str, location: StoreLocation, purpose: str) -> int:
    """Trust what people put into a store, for this purpose; how many certificates that are.

    The system's own roots beneath ROOT are left out: they vouch for servers on the web, not for one's own peers.
    """
    mode = OpenMode.READ_ONLY if name in StoreName.__members__ else OpenMode.EXISTING_ONLY
    with CertificateStore(name, location, mode) as store:
        mine = [
            certificate_der(entry.certificate)
            for entry in store
            if not isinstance(entry._layer, PlatformLayer) and entry.allows(purpose)
        ]
    if mine:
        context.load_verify_locations(cadata=b"".join(mine))
        # What a person put there is trusted as it is, an intermediate or a single peer among it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return len(mine)


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


def no_authorities(name: str, location: StoreLocation) -> CommandError:
    """For a server that would refuse everybody."""
    return CommandError(
        f"the store {name} ({location}) has no authority of yours; make one (tlsocket ca create) or add one"
        f" (tlsocket store add --store {name})"
    )
