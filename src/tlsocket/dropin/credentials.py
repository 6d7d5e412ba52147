"""What `SSLContext.load_cert_chain` accepts: paths, PEM text, bytes, objects of `cryptography`, and store entries.

The loading itself, and the words for what is wrong with a file, are `tlsocket.pki`'s; the exceptions are those of
`ssl`. A credential's use in the handshake is `tlsocket.handshake`'s part.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from tlsocket.config import Credential
from tlsocket.crypto.certificates import certificate_public_key, host_names, parse_certificate, same_key
from tlsocket.crypto.signatures import ForeignSigner, LocalSigner, Signer, is_private_key
from tlsocket.dropin.exceptions import ssl_error, translate, translate_load_error
from tlsocket.errors import TLSError
from tlsocket.pki.errors import PkiError

if TYPE_CHECKING:
    from tlsocket.handshake.decisions import CertificateDecision
    from tlsocket.pki.stores import CertificateStore, StoreEntry

__all__ = ["CertificateSource", "KeySource", "PasswordSource", "client_chooser", "load_credential"]

CertificateSource: TypeAlias = str | bytes | os.PathLike[str] | Any
"""A path, PEM text, PEM or DER bytes, a certificate of `cryptography`, or several of them, the end entity's first;
or an entry of a certificate store or a PKCS #12 container, which bring the key."""

KeySource: TypeAlias = str | bytes | os.PathLike[str] | Any
"""The same for the private key; None: it stands with the certificate. Or a signer: an object with `public_key()` and
`sign(scheme, data)`, for a key that is kept elsewhere."""

PasswordSource: TypeAlias = str | bytes | bytearray | Callable[[], str | bytes | bytearray] | None

_MAXIMUM_PASSWORD = 1024


def load_credential(
    certificate: CertificateSource, key: KeySource | None = None, password: PasswordSource = None
) -> Credential:
    """The credential made of a certificate chain and its private key, after proof that they belong together."""
    checked = _check_password(password)
    try:
        chain, private_key = _load(_plain_source(certificate, "certfile"), _plain_source(key, "keyfile"), checked)
        leaf = parse_certificate(chain[0])
        public_key = certificate_public_key(leaf)
        signer: Signer
        if is_private_key(private_key):
            signer = LocalSigner(private_key, public_key)
        else:
            signer = ForeignSigner(private_key, public_key)
        credential = Credential(chain, signer, host_names(leaf))
    except PkiError as error:
        raise translate_load_error(error) from error
    except TLSError as error:
        raise translate(error) from error
    if not credential.schemes:
        raise ssl_error(
            "EE_KEY_TOO_SMALL", "no signature scheme of TLS 1.3 fits this certificate's key: use a larger one"
        )
    return credential


def client_chooser(
    store: CertificateStore, password: PasswordSource
) -> Callable[[object, CertificateDecision], Credential | None]:
    """A `client_certificate_callback` that takes the certificate out of a store; none that fits: none is sent."""

    def choose(_: object, request: CertificateDecision) -> Credential | None:
        from tlsocket.pki.stores import EntryNotFound
        from tlsocket.pki.stores.credentials import choose_client

        loaded: dict[str, Credential] = {}

        def fits(entry: StoreEntry) -> bool:
            loaded[entry.thumbprint] = credential = load_credential(entry, password=password)
            return not set(request.signature_schemes).isdisjoint((*credential.schemes, *credential.tls12_schemes))

        try:
            return loaded[choose_client(store, request.certificate_authorities, fits=fits).thumbprint]
        except EntryNotFound:
            return None

    return choose


def _load(certificate: Any, key: Any, password: PasswordSource) -> tuple[tuple[bytes, ...], Any]:
    if _is_entry(certificate):
        if key is not None:
            raise TypeError("keyfile is not given beside an entry of a certificate store, which brings its key")
        chain_of_entry, key_of_entry = certificate.credentials(password)
        return chain_of_entry, key_of_entry
    chain, private_key = _load_given(certificate, key, password)
    return _with_stores(chain), private_key


def _load_given(certificate: Any, key: Any, password: PasswordSource) -> tuple[tuple[bytes, ...], Any]:
    from tlsocket.pki.certificates import certificate_der, load_certificates, load_chain_and_key
    from tlsocket.pki.keys import check_key_fits, load_private_key

    certificate_is_object, key_is_object = _is_certificates(certificate), hasattr(key, "sign")
    if not certificate_is_object and not key_is_object:
        return load_chain_and_key(certificate, key, password)
    if certificate_is_object and key is None:
        raise TypeError("keyfile is needed when certfile is a certificate object")
    chain = _certificate_list(certificate) if certificate_is_object else load_certificates(certificate)
    private_key = key if key_is_object else load_private_key(key, password)
    if key_is_object and not is_private_key(key):
        # A signer: what it signs is checked at each signature.
        if not same_key(key.public_key(), certificate_public_key(parse_certificate(certificate_der(chain[0])))):
            raise ssl_error("KEY_VALUES_MISMATCH", "the signer's key is not the certificate's", library="X509")
        return tuple(certificate_der(item) for item in chain), key
    check_key_fits(
        private_key,
        chain[0],
        key_source="the private key given as an object" if key_is_object else "the private key",
        certificate_source="the certificate given as an object" if certificate_is_object else "the certificate",
    )
    return tuple(certificate_der(item) for item in chain), private_key


def _with_stores(chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The chain without anything that a DISALLOWED store names, and with the intermediates that CA stores have.

    Most machines have no stores, and there this costs a few looks at folders that do not exist.
    """
    from tlsocket.pki.stores.locations import any_store_exists

    if not any_store_exists("DISALLOWED", "CA"):
        return chain
    from tlsocket.pki.stores.credentials import complete_chain, refuse_distrusted

    refuse_distrusted(chain)
    return complete_chain(chain)


def _is_entry(source: Any) -> bool:
    # Told by what it does, so that a program without stores does not load them.
    return hasattr(source, "thumbprint") and hasattr(source, "credentials")


def _plain_source(source: Any, name: str) -> Any:
    """`source` in a form that `pki` knows; what is no source at all is the standard library's TypeError."""
    if source is None and name == "keyfile":
        return None
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source)
    if name == "certfile" and _is_entry(source):
        return source
    if isinstance(source, (str, bytes, os.PathLike)) or hasattr(source, "sign") or _is_certificates(source):
        return source
    raise TypeError(f"{name} should be a valid filesystem path")


def _is_certificates(source: Any) -> bool:
    if isinstance(source, (list, tuple)):
        return bool(source) and all(_is_certificates(item) for item in source)
    return hasattr(source, "tbs_certificate_bytes")


def _certificate_list(source: Any) -> list[Any]:
    return list(source) if isinstance(source, Iterable) else [source]


def _check_password(password: PasswordSource) -> PasswordSource:
    """`password` with the complaints of `ssl`, which come even when no password turns out to be needed."""
    if password is None:
        return None
    if not callable(password):
        return _check_password_value(password, "password should be a string or callable")
    ask = password
    return lambda: _check_password_value(ask(), "password callback must return a string")


def _check_password_value(value: object, complaint: str) -> str | bytes | bytearray:
    if not isinstance(value, (str, bytes, bytearray)):
        raise TypeError(complaint)
    if len(value) > _MAXIMUM_PASSWORD:
        raise ValueError(f"password cannot be longer than {_MAXIMUM_PASSWORD} bytes")
    return value
