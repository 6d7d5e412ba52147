"""What a handshake needs out of stores: a chain that is complete, a key that fits, and nothing that is distrusted.

`tlsocket.dropin.credentials` calls this for store entries and for files alike. How a certificate is used on a
connection is not known here.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Sequence

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der, parse_certificate, subject_text
from tlsocket.pki.issuers import issued
from tlsocket.pki.keys import Password, PrivateKey
from tlsocket.pki.names.comparison import is_self_issued, issuer_and_subject, name_key
from tlsocket.pki.stores.composition import layers_of
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.errors import DistrustedCertificate, EntryNotFound
from tlsocket.pki.stores.find import FindType, is_time_valid, moment
from tlsocket.pki.stores.folder import FolderLayer
from tlsocket.pki.stores.layers import Layer
from tlsocket.pki.stores.locations import StoreLocation
from tlsocket.pki.stores.store import CertificateStore

__all__ = ["chain_of", "choose_client", "choose_server", "complete_chain", "credentials_of", "refuse_distrusted"]

_MAXIMUM_ISSUERS = 8


def credentials_of(entry: StoreEntry, password: Password = None) -> tuple[tuple[bytes, ...], PrivateKey]:
    """The chain (DER, the entry's certificate first, no root) and the private key of an entry."""
    key = entry.private_key(password)
    chain = [entry.der, *(data for data in entry.chain_ders if not is_self_issued(data))]
    distrust = Distrust(_location(entry))
    refuse_distrusted(chain, distrust)
    return complete_chain(chain, beside=_beside(entry), distrust=distrust), key


def chain_of(entry: StoreEntry) -> tuple[bytes, ...]:
    """The certificates of `credentials_of` without the key: the entry's and its issuers, no root (DER)."""
    chain = [entry.der, *(data for data in entry.chain_ders if not is_self_issued(data))]
    return complete_chain(chain, beside=_beside(entry), distrust=Distrust(_location(entry)))


def refuse_distrusted(chain: Sequence[bytes], distrust: Distrust | None = None) -> None:
    """Raise `DistrustedCertificate` when one of the certificates is in a DISALLOWED store."""
    thumbprints = (distrust or Distrust()).thumbprints()
    if not thumbprints:
        return
    from tlsocket.pki.stores.layers import thumbprint_of

    for data in chain:
        if thumbprint_of(data) in thumbprints:
            name = subject_text(parse_certificate(data))
            raise DistrustedCertificate(
                f"the certificate of {name} is distrusted: it is in a DISALLOWED store",
                "use another certificate, or take it out of DISALLOWED (tlsocket store trust)",
            )


def complete_chain(
    chain: Sequence[bytes], *, beside: Iterable[bytes] = (), distrust: Distrust | None = None
) -> tuple[bytes, ...]:
    """The chain with the intermediates that it lacks, out of the CA stores of the user and the machine.

    `beside` are further certificates to choose from. Nothing is added when no issuer is known, and never a root, a
    certificate out of its dates or one that is distrusted: a peer may know more than we do.
    """
    layers = [layer for layer in _ca_layers() if layer.exists()]
    others = list(beside)
    if not layers and not others:
        return tuple(chain)
    candidates = [record.certificate for layer in layers for record in layer.snapshot().records.values()]
    candidates += [parse_certificate(data) for data in others]
    completed = list(chain)
    try:
        current = parse_certificate(completed[-1])
        distrusted = (distrust or Distrust()).thumbprints()
        when = moment(None)
        while not is_self_issued(certificate_der(current)) and len(completed) <= _MAXIMUM_ISSUERS:
            issuer = _best_issuer(current, candidates, when, distrusted)
            if issuer is None or _is_trusted_directly(current):
                break
            encoded = certificate_der(issuer)
            if encoded in completed:
                break
            completed.append(encoded)
            current = issuer
    except PARSE_ERRORS:
        # A certificate that cannot be read is no reason to refuse here; whoever uses it says what is wrong.
        return tuple(chain)
    return tuple(completed)


def choose_server(store: CertificateStore, name: str) -> StoreEntry:
    """The entry for a server of that host name: with a key, valid, for servers, the one that lasts longest.

    Raises `EntryNotFound`.
    """
    found = store.find(FindType.DNS_NAME, name, valid_only=True)
    return _longest(store, found, str(ExtendedKeyUsageOID.SERVER_AUTH.dotted_string), f"a server {name!r:.80}")


def choose_client(
    store: CertificateStore,
    authorities: Sequence[bytes] = (),
    *,
    fits: Callable[[StoreEntry], bool] | None = None,
) -> StoreEntry:
    """The entry for a client: with a key, valid, for clients, issued under one of the authorities that a server names.

    `authorities` are distinguished names in DER (RFC 9846 section 4.3.4); none given: any authority. `fits` has a say,
    too: whether a key can sign for that server, for example. Raises `EntryNotFound`.
    """
    wanted = frozenset(map(name_key, authorities))
    found = [
        entry
        for entry in store.find(FindType.HAS_PRIVATE_KEY, True, valid_only=True)
        if (not authorities or _issued_under(entry, wanted)) and (fits is None or fits(entry))
    ]
    return _longest(store, found, str(ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string), "a client of that server")


def _longest(store: CertificateStore, found: Iterable[StoreEntry], purpose: str, what: str) -> StoreEntry:
    suitable = {entry for entry in store.find(FindType.EXTENDED_KEY_USAGE, purpose) if entry.has_private_key}
    chosen = [entry for entry in found if entry in suitable]
    if not chosen:
        raise EntryNotFound(
            f"{store.name} ({store.place}) has no valid certificate with a private key for {what}",
            "request one, or import it with its key",
        )
    return max(chosen, key=lambda entry: entry.certificate.not_valid_after_utc)


def _issued_under(entry: StoreEntry, authorities: frozenset[bytes]) -> bool:
    try:
        chain = complete_chain([entry.der, *entry.chain_ders], beside=_beside(entry))
        return any(name_key(issuer_and_subject(data)[0]) in authorities for data in chain)
    except PARSE_ERRORS:
        return False


def _beside(entry: StoreEntry) -> list[bytes]:
    """The certificates to complete a chain with: the CA store beside the entry's, or the rest of its own file."""
    location = _location(entry)
    if location is not None:
        layer = layers_of("CA", location, None)[0]
        return [record.der for record in layer.snapshot().records.values()] if layer.exists() else []
    if not entry.place.lower().endswith((".p12", ".pfx")):
        return []
    return [record.der for record in entry._layer.snapshot().records.values() if not record.has_key]


def _location(entry: StoreEntry) -> StoreLocation | None:
    """The folder that has the entry's store and others; None where there is none."""
    layer = entry._layer
    if not isinstance(layer, FolderLayer):
        return None
    folder = os.path.dirname(layer.place)
    for known in (StoreLocation.CURRENT_USER, StoreLocation.LOCAL_MACHINE):
        if folder == str(known.base()):
            return known
    return StoreLocation.folder(folder)


def _ca_layers() -> list[Layer]:
    """The CA stores that people fill. What the system's bundle has besides roots is not sent to peers."""
    places = (StoreLocation.CURRENT_USER, StoreLocation.LOCAL_MACHINE)
    return [layers_of("CA", place, None)[0] for place in places if place.base() is not None]


def _best_issuer(
    certificate: x509.Certificate,
    candidates: Sequence[x509.Certificate],
    when: datetime.datetime,
    distrusted: frozenset[str],
) -> x509.Certificate | None:
    from tlsocket.pki.stores.layers import thumbprint_of

    best: x509.Certificate | None = None
    for candidate in candidates:
        if is_self_issued(certificate_der(candidate)) or not issued(candidate, certificate):
            continue
        if not is_time_valid(candidate, when) or thumbprint_of(candidate) in distrusted:
            continue
        if best is None or candidate.not_valid_after_utc > best.not_valid_after_utc:
            best = candidate
    return best


def _is_trusted_directly(certificate: x509.Certificate) -> bool:
    """Whether a root that everybody here has issued it: then a cross-signed detour need not be sent."""
    for layer in layers_of("ROOT", StoreLocation.of_trust(), None):
        for record in layer.snapshot().records.values():
            if issued(record.certificate, certificate):
                return True
    return False
