"""Signature schemes: which fit a key, signing and verifying (RFC 9846 sections 4.3.3 and 4.5.2, RFC 5246 section 4.7).

In TLS 1.3 RSA keys sign with PSS, and an ECDSA scheme belongs to one curve. TLS 1.2 also knows RSA with PKCS #1 v1.5,
and takes an ECDSA scheme as the name of a hash that goes with any curve (RFC 9846 section 4.3.3). SHA-1 is in neither
(RFC 9155). What is signed (the context string and the transcript hash) is put together by the handshake; signatures in
certificates are checked by `tlsocket.pki`.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from tlsocket.crypto.certificates import PSSPublicKey, PublicKey
from tlsocket.crypto.library import ecdsa
from tlsocket.errors import ApiMisuse, PeerMisbehaved, Reason
from tlsocket.registry.code_point import describe
from tlsocket.registry.signature_schemes import SignatureScheme

__all__ = [
    "CERTIFICATE_SCHEMES",
    "DEFAULT_SIGNATURE_SCHEMES",
    "TLS12_SIGNATURE_SCHEMES",
    "ForeignSigner",
    "LocalSigner",
    "PrivateKey",
    "Signer",
    "is_private_key",
    "schemes_for_key",
    "tls12_schemes_for_key",
    "verify",
    "verify_tls12",
]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
"""The private keys that a LocalSigner takes."""

# Plain integers, as peers' values are: a code point compares and hashes slower.
_ECDSA_SECP256R1_SHA256 = SignatureScheme.ECDSA_SECP256R1_SHA256.value
_ECDSA_SECP384R1_SHA384 = SignatureScheme.ECDSA_SECP384R1_SHA384.value
_ECDSA_SECP521R1_SHA512 = SignatureScheme.ECDSA_SECP521R1_SHA512.value
_RSA_PSS_RSAE_SHA256 = SignatureScheme.RSA_PSS_RSAE_SHA256.value
_RSA_PSS_RSAE_SHA384 = SignatureScheme.RSA_PSS_RSAE_SHA384.value
_RSA_PSS_RSAE_SHA512 = SignatureScheme.RSA_PSS_RSAE_SHA512.value
_ED25519 = SignatureScheme.ED25519.value
_ED448 = SignatureScheme.ED448.value
_RSA_PSS_PSS_SHA256 = SignatureScheme.RSA_PSS_PSS_SHA256.value
_RSA_PSS_PSS_SHA384 = SignatureScheme.RSA_PSS_PSS_SHA384.value
_RSA_PSS_PSS_SHA512 = SignatureScheme.RSA_PSS_PSS_SHA512.value
_RSA_PKCS1_SHA256 = SignatureScheme.RSA_PKCS1_SHA256.value
_RSA_PKCS1_SHA384 = SignatureScheme.RSA_PKCS1_SHA384.value
_RSA_PKCS1_SHA512 = SignatureScheme.RSA_PKCS1_SHA512.value

DEFAULT_SIGNATURE_SCHEMES: tuple[int, ...] = (
    # P-256 first: the cheapest to verify of those in wide use (65 us against 90 for Ed25519, 311 for P-384).
    _ECDSA_SECP256R1_SHA256,
    _ED25519,
    _ECDSA_SECP384R1_SHA384,
    _ECDSA_SECP521R1_SHA512,
    _ED448,
    _RSA_PSS_RSAE_SHA256,
    _RSA_PSS_RSAE_SHA384,
    _RSA_PSS_RSAE_SHA512,
    _RSA_PSS_PSS_SHA256,
    _RSA_PSS_PSS_SHA384,
    _RSA_PSS_PSS_SHA512,
)
"""Every scheme that we sign and verify CertificateVerify of TLS 1.3 with, in our order of preference."""

CERTIFICATE_SCHEMES: tuple[int, ...] = (
    SignatureScheme.RSA_PKCS1_SHA256.value,
    SignatureScheme.RSA_PKCS1_SHA384.value,
    SignatureScheme.RSA_PKCS1_SHA512.value,
)
"""For signatures in certificates (RFC 9846 section 4.3.3), where most authorities still use them, and in TLS 1.2:
`verify` refuses a CertificateVerify of TLS 1.3 with one. Nothing with SHA-1 is here or above."""

TLS12_SIGNATURE_SCHEMES: tuple[int, ...] = (*DEFAULT_SIGNATURE_SCHEMES, *CERTIFICATE_SCHEMES)
"""Every scheme that we sign and verify with in TLS 1.2."""


class _EcdsaScheme:
    __slots__ = ("_algorithm", "_curve")

    def __init__(self, curve: str, algorithm: type[hashes.HashAlgorithm]) -> None:
        self._curve = curve
        self._algorithm = algorithm

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == self._curve

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != self._curve:
            return False
        key.verify(signature, data, ecdsa(self._algorithm))
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        return key.sign(data, ecdsa(self._algorithm))


class _AnyCurveScheme:
    """ECDSA as TLS 1.2 means it: the scheme names the hash, the certificate the curve (RFC 9846 section 4.3.3)."""

    __slots__ = ("_algorithm",)

    def __init__(self, algorithm: type[hashes.HashAlgorithm]) -> None:
        self._algorithm = algorithm

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
            return False
        key.verify(signature, data, ecdsa(self._algorithm))
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        return key.sign(data, ecdsa(self._algorithm)) if isinstance(key, ec.EllipticCurvePrivateKey) else None


_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


class _Pkcs1Scheme:
    """RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), for TLS 1.2 only."""

    __slots__ = ("_algorithm",)

    def __init__(self, algorithm: hashes.HashAlgorithm) -> None:
        self._algorithm = algorithm

    def fits(self, key: PublicKey) -> bool:
        # 1024 bits hold the longest DigestInfo; a key for PSS only is another class.
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= 1024

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        key.verify(signature, data, _PKCS1, self._algorithm)
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        return key.sign(data, _PKCS1, self._algorithm) if isinstance(key, rsa.RSAPrivateKey) else None


_PKCS1 = padding.PKCS1v15()


class _PssScheme:
    __slots__ = ("_algorithm", "_minimum_bits", "_padding", "_rsae")

    def __init__(self, algorithm: hashes.HashAlgorithm, *, rsae: bool) -> None:
        self._algorithm = algorithm
        # RFC 9846 section 4.3.3: the mask generation function uses the same hash, "the length of the Salt MUST be
        # equal to the length of the output of the digest algorithm".
        self._padding = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        self._rsae = rsae
        # EMSA-PSS needs digest + salt + 2 bytes in a modulus less one bit (RFC 8017 section 9.1.1, step 3). That
        # rules out rsa_pss_*_sha512 under a key of 1024 bits, and with it a signing failure in mid-handshake.
        self._minimum_bits = 8 * (2 * algorithm.digest_size + 2) + 2

    def _rsa(self, key: PublicKey) -> rsa.RSAPublicKey | None:
        # RFC 9846 section 4.3.3 keeps the two families apart by the OID of the certificate's key.
        if isinstance(key, PSSPublicKey):
            return None if self._rsae or not key.allows(self._algorithm.name) else key.key
        return key if self._rsae and isinstance(key, rsa.RSAPublicKey) else None

    def fits(self, key: PublicKey) -> bool:
        public = self._rsa(key)
        return public is not None and public.key_size >= self._minimum_bits

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        public = self._rsa(key)
        if public is None:
            return False
        public.verify(signature, data, self._padding, self._algorithm)
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        return key.sign(data, self._padding, self._algorithm) if isinstance(key, rsa.RSAPrivateKey) else None


class _Ed25519Scheme:
    __slots__ = ()

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, ed25519.Ed25519PublicKey)

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ed25519.Ed25519PublicKey):
            return False
        key.verify(signature, data)
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        return key.sign(data) if isinstance(key, ed25519.Ed25519PrivateKey) else None


class _Ed448Scheme:
    __slots__ = ()

    def fits(self, key: PublicKey) -> bool:
        return isinstance(key, ed448.Ed448PublicKey)

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        if not isinstance(key, ed448.Ed448PublicKey):
            return False
        key.verify(signature, data)
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes | None:
        return key.sign(data) if isinstance(key, ed448.Ed448PrivateKey) else None


_SCHEMES: dict[int, _EcdsaScheme | _PssScheme | _Ed25519Scheme | _Ed448Scheme] = {
    _ECDSA_SECP256R1_SHA256: _EcdsaScheme("secp256r1", hashes.SHA256),
    _ECDSA_SECP384R1_SHA384: _EcdsaScheme("secp384r1", hashes.SHA384),
    _ECDSA_SECP521R1_SHA512: _EcdsaScheme("secp521r1", hashes.SHA512),
    _RSA_PSS_RSAE_SHA256: _PssScheme(hashes.SHA256(), rsae=True),
    _RSA_PSS_RSAE_SHA384: _PssScheme(hashes.SHA384(), rsae=True),
    _RSA_PSS_RSAE_SHA512: _PssScheme(hashes.SHA512(), rsae=True),
    _ED25519: _Ed25519Scheme(),
    _ED448: _Ed448Scheme(),
    _RSA_PSS_PSS_SHA256: _PssScheme(hashes.SHA256(), rsae=False),
    _RSA_PSS_PSS_SHA384: _PssScheme(hashes.SHA384(), rsae=False),
    _RSA_PSS_PSS_SHA512: _PssScheme(hashes.SHA512(), rsae=False),
}

_Scheme = _EcdsaScheme | _AnyCurveScheme | _PssScheme | _Pkcs1Scheme | _Ed25519Scheme | _Ed448Scheme

_TLS12_SCHEMES: dict[int, _Scheme] = {
    **_SCHEMES,
    _ECDSA_SECP256R1_SHA256: _AnyCurveScheme(hashes.SHA256),
    _ECDSA_SECP384R1_SHA384: _AnyCurveScheme(hashes.SHA384),
    _ECDSA_SECP521R1_SHA512: _AnyCurveScheme(hashes.SHA512),
    _RSA_PKCS1_SHA256: _Pkcs1Scheme(hashes.SHA256()),
    _RSA_PKCS1_SHA384: _Pkcs1Scheme(hashes.SHA384()),
    _RSA_PKCS1_SHA512: _Pkcs1Scheme(hashes.SHA512()),
}


def verify(scheme: int, public_key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check a signature of TLS 1.3; raises PeerMisbehaved when it is wrong or the scheme does not fit the key."""
    _verify(_SCHEMES.get(scheme), scheme, public_key, signature, data)


def verify_tls12(scheme: int, public_key: PublicKey, signature: bytes, data: bytes) -> None:
    """The same for a signature of TLS 1.2."""
    _verify(_TLS12_SCHEMES.get(scheme), scheme, public_key, signature, data)


def _verify(entry: _Scheme | None, scheme: int, public_key: PublicKey, signature: bytes, data: bytes) -> None:
    if entry is not None:
        try:
            if entry.verify(public_key, signature, data):
                return
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            raise PeerMisbehaved(Reason.BAD_SIGNATURE, describe(SignatureScheme, scheme)) from None
    raise PeerMisbehaved(Reason.SIGNATURE_SCHEME_MISMATCH, describe(SignatureScheme, scheme))


def schemes_for_key(public_key: PublicKey) -> tuple[int, ...]:
    """The schemes of TLS 1.3 that a certificate with this key can sign with, in our order of preference."""
    return tuple(scheme for scheme in DEFAULT_SIGNATURE_SCHEMES if _SCHEMES[scheme].fits(public_key))


def tls12_schemes_for_key(public_key: PublicKey) -> tuple[int, ...]:
    """The same for TLS 1.2. Of an EC key's the one of its own size comes first, as in TLS 1.3."""
    own = schemes_for_key(public_key)
    more = [s for s in TLS12_SIGNATURE_SCHEMES if s not in own and _TLS12_SCHEMES[s].fits(public_key)]
    return (*own, *more)


class Signer(Protocol):
    """A private key, wherever it is kept."""

    def public_key(self) -> PublicKey:
        """The key its certificate carries."""

    def sign(self, scheme: int, data: bytes) -> bytes:
        """The signature over `data`."""


class LocalSigner:
    """A private key in this process.

    `certificate_key` is the key as its certificate carries it (`certificate_public_key`). It is needed for one kind
    only: an RSASSA-PSS key, which `cryptography` loads as a plain RSA key that has forgotten what it may sign.
    """

    __slots__ = ("_private", "_public", "_schemes")

    def __init__(self, private_key: PrivateKey, certificate_key: PublicKey | None = None) -> None:
        self._private = private_key
        self._public: PublicKey = private_key.public_key() if certificate_key is None else certificate_key
        self._schemes = frozenset(tls12_schemes_for_key(self._public))

    def __repr__(self) -> str:
        return f"<LocalSigner {type(self._public).__name__}>"

    def public_key(self) -> PublicKey:
        """The key its certificate carries."""
        return self._public

    def sign(self, scheme: int, data: bytes) -> bytes:
        """The signature over `data`; raises ApiMisuse for a scheme that `tls12_schemes_for_key` does not name.

        Which of them TLS 1.3 allows is the handshake's to know: it takes them from `Credential.schemes`.
        """
        if scheme in self._schemes:
            signature = _TLS12_SCHEMES[scheme].sign(self._private, data)
            if signature is not None:
                return signature
        raise ApiMisuse(Reason.API_MISUSE, f"{describe(SignatureScheme, scheme)} does not fit {self!r}")


def is_private_key(key: object) -> bool:
    """Whether a `LocalSigner` takes it."""
    return isinstance(
        key,
        (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey),
    )


class ForeignSigner:
    """A key held elsewhere (a token, an agent, a service), behind an object of the caller's.

    The object has `public_key()`, and `sign(scheme, data)`, which returns the signature with that SignatureScheme over
    `data`, or raises: then the handshake ends with internal_error and the exception reaches whoever drives it.
    """

    __slots__ = ("_certificate_key", "_signer")

    def __init__(self, signer: Signer, certificate_key: PublicKey) -> None:
        self._signer = signer
        self._certificate_key = certificate_key

    def __repr__(self) -> str:
        return f"<ForeignSigner {type(self._signer).__name__}>"

    def public_key(self) -> PublicKey:
        """The key its certificate carries."""
        return self._certificate_key

    def sign(self, scheme: int, data: bytes) -> bytes:
        """The signature over `data`, checked: a wrong one would only tell the peer."""
        signature = self._signer.sign(scheme, data)
        if not isinstance(signature, (bytes, bytearray)):
            raise ApiMisuse(Reason.API_MISUSE, f"a signature is bytes, not {type(signature).__name__}")
        try:
            # By the rules of TLS 1.2, which are the wider ones: which scheme is allowed, the handshake has seen to.
            verify_tls12(scheme, self._certificate_key, bytes(signature), data)
        except PeerMisbehaved as error:
            raise ApiMisuse(Reason.API_MISUSE, f"the signer's signature is wrong: {error.detail}") from None
        return bytes(signature)
