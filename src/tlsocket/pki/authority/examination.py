"""A request held against a profile and a copy policy: from a stranger's bytes to what may be certified.

The one function that matters is `examine`. It trusts nothing in the request: the signature proves that the requester
has the private key, and everything else is a wish. What comes out is a `Grant`, made of values that were checked one
by one; `certificate_authority` puts it into a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from tlsocket.pki.authority.copying import CopyPolicy, Treatment
from tlsocket.pki.authority.identities import check_names, check_subject
from tlsocket.pki.authority.profiles import Profile
from tlsocket.pki.authority.refusals import RequestRefusal, RequestRefused
from tlsocket.pki.authority.signing import KEY_USAGE_BITS
from tlsocket.pki.certificates import PARSE_ERRORS, printable
from tlsocket.pki.keys import PublicKey, describe_key

__all__ = ["MAXIMUM_REQUEST_SIZE", "Grant", "Request", "check_key", "examine", "parse_request"]

MAXIMUM_REQUEST_SIZE = 64 * 1024
"""Bytes: a request with a hundred names and an RSA key of 8192 bits has 10 KiB."""

_MAXIMUM_EXTENSIONS = 32
_MAXIMUM_RSA_BITS = 8192
_STRONG_HASHES = frozenset({"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"})
_SMALL_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LABELS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")

_UNREADABLE = {"its key": RequestRefusal.UNSUPPORTED_KEY, "its subject": RequestRefusal.BAD_SUBJECT}

_T = TypeVar("_T")


@runtime_checkable
class _HoldsRequest(Protocol):
    @property
    def csr(self) -> x509.CertificateSigningRequest: ...


Request: TypeAlias = x509.CertificateSigningRequest | bytes | str | _HoldsRequest
"""A request as an object of `cryptography`'s or of ours (`CertificateRequest`), or in PEM or DER."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request gets: everything in a certificate but dates, serial number and issuer."""

    subject: x509.Name
    public_key: PublicKey
    names: tuple[x509.GeneralName, ...]
    key_usages: frozenset[str]
    extended_key_usages: tuple[x509.ObjectIdentifier, ...]
    path_length: int | None
    tls_features: tuple[x509.TLSFeatureType, ...]
    dropped: tuple[x509.ObjectIdentifier, ...]
    """The extensions that were asked for and left out."""


def parse_request(request: Request) -> x509.CertificateSigningRequest:
    """A request from PEM or DER (RFC 2986, RFC 7468). Its signature is `examine`'s to check."""
    if isinstance(request, x509.CertificateSigningRequest):
        return request
    if isinstance(request, _HoldsRequest):
        return request.csr
    data = request.encode("ascii", "replace") if isinstance(request, str) else bytes(request)
    if len(data) > MAXIMUM_REQUEST_SIZE:
        raise RequestRefused(
            RequestRefusal.TOO_LARGE, f"{len(data)} bytes", f"a request has at most {MAXIMUM_REQUEST_SIZE}"
        )
    try:
        if data[:1] == b"\x30":
            return x509.load_der_x509_csr(data)
        if any(b"-----BEGIN " + label + b"-----" in data for label in _LABELS):
            return x509.load_pem_x509_csr(data)
    except PARSE_ERRORS as error:
        raise RequestRefused(
            RequestRefusal.MALFORMED, _words(error), "check that the file is complete, or make the request anew"
        ) from None
    raise RequestRefused(
        RequestRefusal.MALFORMED,
        "neither DER nor PEM with a certificate request",
        "give the request itself ('-----BEGIN CERTIFICATE REQUEST-----'), not the key or a certificate",
    )


def examine(
    csr: x509.CertificateSigningRequest,
    profile: Profile,
    policy: CopyPolicy,
    *,
    subject: x509.Name | None = None,
    names: Sequence[x509.GeneralName] | None = None,
) -> Grant:
    """What the request may have. `subject` and `names`, where given, take the place of the request's own.

    Raises `RequestRefused`; nothing that a hostile request can hold raises anything else.
    """
    public_key = _readable("its key", lambda: csr.public_key())
    checked = check_key(public_key, profile)
    _check_signature(csr)
    asked, dropped = _wanted_extensions(csr, policy)
    if names is None:
        wanted = asked.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
        names = list(wanted) if isinstance(wanted, x509.SubjectAlternativeName) else []
    granted_names = check_names(names, profile)
    granted_subject = _readable("its subject", lambda: csr.subject) if subject is None else subject
    check_subject(granted_subject, granted_names, profile)
    _check_identified(granted_subject, granted_names, profile)
    return Grant(
        subject=granted_subject,
        public_key=checked,
        names=granted_names,
        key_usages=_key_usages(asked.get(ExtensionOID.KEY_USAGE), profile, checked),
        extended_key_usages=_extended_key_usages(asked.get(ExtensionOID.EXTENDED_KEY_USAGE), profile),
        path_length=_path_length(asked.get(ExtensionOID.BASIC_CONSTRAINTS), profile),
        tls_features=_tls_features(asked.get(ExtensionOID.TLS_FEATURE)),
        dropped=tuple(dropped),
    )


def check_key(key: object, profile: Profile) -> PublicKey:
    """The key, if it is of a kind and strength that is certified; `RequestRefused` if not."""
    remedy = "make a new key: ecdsa-p256, ed25519 or rsa-3072"
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if key.key_size < profile.minimum_rsa_bits:
            detail = f"RSA {key.key_size}; the profile {profile.name} wants {profile.minimum_rsa_bits} bits"
            raise RequestRefused(RequestRefusal.WEAK_KEY, detail, remedy)
        if key.key_size > _MAXIMUM_RSA_BITS:
            detail = f"RSA {key.key_size}, larger than {_MAXIMUM_RSA_BITS} bits"
            raise RequestRefused(RequestRefusal.UNSUPPORTED_KEY, detail, remedy)
        if numbers.e < 65537 or numbers.e % 2 == 0 or numbers.e.bit_length() > 256:
            # The bounds of NIST SP 800-56B, section 6.2.1.1.
            raise RequestRefused(RequestRefusal.WEAK_KEY, "its public exponent is not 65537 or above", remedy)
        if numbers.n % 2 == 0 or any(numbers.n % prime == 0 for prime in _SMALL_PRIMES):
            raise RequestRefused(RequestRefusal.WEAK_KEY, "its modulus has a small factor", remedy)
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return key
    raise RequestRefused(RequestRefusal.UNSUPPORTED_KEY, describe_key(key), remedy)


def _check_signature(csr: x509.CertificateSigningRequest) -> None:
    remedy = "make the request anew, signed with SHA-256"
    algorithm = _readable("its signature algorithm", lambda: csr.signature_hash_algorithm)
    if algorithm is not None and algorithm.name not in _STRONG_HASHES:
        raise RequestRefused(RequestRefusal.WEAK_SIGNATURE, algorithm.name, remedy)
    if not _readable("its signature", lambda: csr.is_signature_valid):
        raise RequestRefused(RequestRefusal.BAD_SIGNATURE, "", "make the request anew with the key it is for")


def _wanted_extensions(
    csr: x509.CertificateSigningRequest, policy: CopyPolicy
) -> tuple[dict[x509.ObjectIdentifier, Any], list[x509.ObjectIdentifier]]:
    """The extensions that may have a say, and those that are left out."""
    try:
        extensions = list(csr.extensions)
    except PARSE_ERRORS as error:
        raise RequestRefused(RequestRefusal.EXTENSION_MALFORMED, _words(error), "make the request anew") from None
    if len(extensions) > _MAXIMUM_EXTENSIONS:
        raise RequestRefused(RequestRefusal.TOO_LARGE, f"{len(extensions)} extensions", "make the request anew")
    asked: dict[x509.ObjectIdentifier, Any] = {}
    dropped = []
    for extension in extensions:
        treatment = policy.treatment(extension.oid, critical=extension.critical)
        if treatment is Treatment.REFUSE:
            stated = extension.oid in policy.treatments
            refusal = RequestRefusal.FORBIDDEN_EXTENSION if stated else RequestRefusal.CRITICAL_EXTENSION
            if not stated and not extension.critical:
                refusal = RequestRefusal.FORBIDDEN_EXTENSION
            raise RequestRefused(refusal, extension.oid.dotted_string, "leave it out of the request")
        if treatment is Treatment.DROP:
            dropped.append(extension.oid)
        else:
            asked[extension.oid] = extension.value
    return asked, dropped


def _check_identified(subject: x509.Name, names: Sequence[x509.GeneralName], profile: Profile) -> None:
    if names or (not profile.names_required and subject.rdns and not profile.is_authority):
        return
    if profile.is_authority:
        if not subject.rdns:
            raise RequestRefused(RequestRefusal.NO_NAME, "", "give the authority a subject (RFC 5280 section 4.1.2.6)")
        return
    kinds = ", ".join(sorted(kind.value for kind in profile.name_kinds))
    remedy = f"ask for an alternative name ({kinds}), or have one given when it is issued (sans)"
    raise RequestRefused(RequestRefusal.NO_NAME, f"the profile {profile.name} wants an alternative name", remedy)


def _key_usages(asked: object, profile: Profile, key: PublicKey) -> frozenset[str]:
    optional = profile.optional_key_usages
    if not isinstance(key, rsa.RSAPublicKey):
        # RFC 8410 section 5, RFC 5480 section 3: a key that only signs encrypts no keys.
        optional = optional - {"key_encipherment", "data_encipherment"}
    if not isinstance(asked, x509.KeyUsage):
        return profile.key_usages
    wanted = {bit for bit in KEY_USAGE_BITS if _has_bit(asked, bit)}
    if wanted & {"key_cert_sign", "crl_sign"} and not profile.is_authority:
        raise RequestRefused(
            RequestRefusal.AUTHORITY_ASKED, "its keyUsage says that it signs certificates or CRLs", _LEAF_REMEDY
        )
    # Other bits are no claim to power: old tools ask for keyEncipherment whatever the key. The profile decides.
    return profile.key_usages | (optional & wanted)


_LEAF_REMEDY = "use the profile intermediate if it shall be an authority, else make the request without it"


def _has_bit(usage: x509.KeyUsage, bit: str) -> bool:
    if bit in ("encipher_only", "decipher_only") and not usage.key_agreement:
        return False
    return bool(getattr(usage, bit))


def _extended_key_usages(asked: object, profile: Profile) -> tuple[x509.ObjectIdentifier, ...]:
    if not isinstance(asked, x509.ExtendedKeyUsage):
        return profile.extended_key_usages
    beyond = [usage.dotted_string for usage in asked if usage not in profile.extended_key_usages]
    if beyond:
        raise RequestRefused(
            RequestRefusal.USAGE_BEYOND_PROFILE,
            f"extendedKeyUsage {', '.join(beyond[:8])} under the profile {profile.name}",
            "use a profile that has it, or make the request without it",
        )
    return tuple(usage for usage in profile.extended_key_usages if usage in set(asked))


def _path_length(asked: object, profile: Profile) -> int | None:
    if not isinstance(asked, x509.BasicConstraints):
        return profile.path_length
    if asked.ca and not profile.is_authority:
        raise RequestRefused(RequestRefusal.AUTHORITY_ASKED, f"CA:TRUE under the profile {profile.name}", _LEAF_REMEDY)
    if not asked.ca and profile.is_authority:
        raise RequestRefused(
            RequestRefusal.AUTHORITY_NOT_ASKED, f"CA:FALSE under the profile {profile.name}", "use another profile"
        )
    lengths = [length for length in (asked.path_length, profile.path_length) if length is not None]
    return min(lengths) if lengths else None


def _tls_features(asked: object) -> tuple[x509.TLSFeatureType, ...]:
    if not isinstance(asked, x509.TLSFeature):
        return ()
    # RFC 7633: "must staple". status_request_v2 promises what nobody serves any more.
    return tuple(feature for feature in asked if feature is x509.TLSFeatureType.status_request)


def _readable(what: str, read: Callable[[], _T]) -> _T:
    """A field of the request, which `cryptography` may parse only now."""
    try:
        return read()
    except PARSE_ERRORS as error:
        refusal = _UNREADABLE.get(what, RequestRefusal.MALFORMED)
        detail = f"{what} cannot be read: {_words(error)}"
        raise RequestRefused(refusal, detail, "make the request anew") from None


def _words(error: Exception) -> str:
    """An error of `cryptography`, whose text may quote the request."""
    return printable(str(error))[:200]
