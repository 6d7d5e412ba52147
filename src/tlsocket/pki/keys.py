"""Private keys: loaded from files or bytes, written out, made, and matched with their certificates.

PEM per RFC 7468, PKCS #8 per RFC 5958, the older forms that OpenSSL writes, plain or encrypted (ours by
`tlsocket.pki.pkcs8`). A key is parsed once per process and content, because what makes that slow is not reading but
proving an RSA key's numbers; that proof is replaced by `check_key_fits`. Which signature schemes a key may be used with
is TLS's business: `tlsocket.crypto`.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from tlsocket.crypto.library import serialization
from tlsocket.pki import der, pkcs8
from tlsocket.pki.errors import (
    KeyMismatch,
    PasswordRequired,
    UnsupportedKey,
    WrongContent,
    WrongPassword,
)
from tlsocket.pki.files import DEFAULT_LIMIT, read_limited, write_atomically

__all__ = [
    "KEY_KINDS",
    "RSASSA_PSS_ALGORITHM",
    "KeySource",
    "Password",
    "PrivateKey",
    "PublicKey",
    "check_key_fits",
    "describe_key",
    "generate_key",
    "generate_private_key",
    "load_private_key",
    "private_key_der",
    "private_key_pem",
    "public_key_info",
    "read_source",
    "save_private_key",
    "signature_hash",
    "source_name",
]

PrivateKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
"""The private keys that may stand behind a certificate of ours."""

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
"""The public keys of the same kinds."""

Password: TypeAlias = str | bytes | bytearray | Callable[[], str | bytes | bytearray] | None
"""What opens an encrypted key: the password, or a function that is called only when one is needed."""

KeySource: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""A path, or the content itself: bytes that are PEM or DER, or text with a PEM header in it."""

RSASSA_PSS_ALGORITHM = bytes.fromhex("300b06092a864886f70d01010a")
"""AlgorithmIdentifier id-RSASSA-PSS without parameters (RFC 4055 section 1.2): a key for PSS and nothing else."""

_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "ecdsa-p256": ec.SECP256R1,
    "ecdsa-p384": ec.SECP384R1,
    "ecdsa-p521": ec.SECP521R1,
}
KEY_KINDS = (*_CURVES, "ed25519", "rsa-2048", "rsa-3072", "rsa-4096")
"""What `generate_key` makes; of RSA any length between these in steps of 8 bits."""

_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_MAXIMUM_PASSWORD_LENGTH = 1024

# Reloading a server's credentials every few minutes must not cost a parse each time, so keys outlive the call that
# loaded them. The bound is small: a process has few keys, and a key that nobody uses should not linger among many.
# The dictionary is replaced, never changed, so that it needs no lock (a lock would have to survive fork); what two
# threads can lose to each other is one entry.
_CACHE_SIZE = 16
_cache: dict[bytes, PrivateKey] = {}
# The RSA keys among them that have proven themselves, by what they are encoded in, with the public key they did it to.
_proven: dict[bytes, bytes] = {}


def read_source(source: KeySource, what: str) -> tuple[bytes, str]:
    """The content behind `source`, and a name for it in messages; `what` says what it should hold."""
    name = source_name(source, what)
    if isinstance(source, str) and _is_content(source):
        return source.encode("ascii", "replace"), name
    if isinstance(source, bytes) and _is_content(source):
        return source, name
    # Pipes too: `<(command)` of a shell is one.
    return read_limited(name, DEFAULT_LIMIT, what=what, regular=False), name


def source_name(source: KeySource, what: str) -> str:
    """What messages call `source`: its path, or words."""
    if isinstance(source, (str, bytes)) and _is_content(source):
        return f"the {what} given as {'text' if isinstance(source, str) else 'bytes'}"
    return os.fsdecode(source)


def load_private_key(source: KeySource, password: Password = None, *, what: str = "private key") -> PrivateKey:
    """The first private key in `source`.

    The numbers of an RSA key are not proven to be prime (33 ms): call `check_key_fits` before using it.
    """
    global _cache
    data, name = read_source(source, what)
    block = _private_key_block(data, name)
    encrypted = _is_encrypted(block)
    secret = _password_bytes(password, name) if encrypted else None
    digest = hashlib.sha256(len(secret or b"").to_bytes(4, "big") + (secret or b"") + block).digest()
    key = _cache.get(digest)
    if key is None:
        if encrypted:
            _refuse_endless_derivation(block, name)
        key = _parse(block, secret, name)
        _cache = dict([*_cache.items(), (digest, key)][-_CACHE_SIZE:])
    return key


def check_key_fits(key: PrivateKey, certificate: x509.Certificate, *, key_source: str, certificate_source: str) -> None:
    """Raise `KeyMismatch` unless `key` is the one that `certificate` speaks of.

    An RSA key's private half was loaded without proof, so it signs once and the certificate's public half judges.
    """
    try:
        expected = certificate.public_key()
        same = public_key_info(key.public_key()) == public_key_info(expected)
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise UnsupportedKey(
            certificate_source,
            "the certificate's key is of a kind that cannot be used",
            "use a certificate with an ECDSA, RSA or Ed25519 key",
        ) from error
    if not same:
        raise KeyMismatch(
            key_source,
            f"this key ({describe_key(key.public_key())}) does not belong to the certificate in {certificate_source}"
            f" ({describe_key(expected)}, subject {certificate.subject.rfc4514_string() or 'empty'})",
            "give the key that the certificate was requested with; in a chain the server's own certificate comes first",
        )
    if isinstance(key, rsa.RSAPrivateKey) and isinstance(expected, rsa.RSAPublicKey):
        _prove_once(key, expected, key_source)


def _prove_once(key: rsa.RSAPrivateKey, public_key: rsa.RSAPublicKey, source: str) -> None:
    """Have the key prove itself, unless this very key object has done so: signing is most of what loading costs."""
    global _proven
    digest = next((digest for digest, kept in _cache.items() if kept is key), None)
    public = public_key_info(public_key)
    if digest is not None and _proven.get(digest) == public:
        return
    _prove_rsa_key(key, public_key, source)
    if digest is not None:
        # Only of keys that are kept, so that it never outgrows them.
        _proven = {known: info for known, info in [*_proven.items(), (digest, public)] if known in _cache}


def _prove_rsa_key(key: rsa.RSAPrivateKey, public_key: rsa.RSAPublicKey, source: str) -> None:
    message = b"tlsocket: does this key sign?"
    try:
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        public_key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError) as error:
        raise KeyMismatch(
            source, "the RSA key is damaged: what it signs does not verify", "restore the file from its backup"
        ) from error


def generate_key(spec: str) -> PrivateKey:
    """A new key for a certificate: one of `KEY_KINDS`, or `rsa-N` with N bits from 2048 to 4096.

    Raises `UnsupportedKey` for anything else, short RSA keys among it. An RSA key takes from a tenth of a second to
    some seconds.
    """
    match = re.fullmatch(r"rsa-([0-9]{1,5})", spec.lower())
    bits = int(match[1]) if match else 0
    if match and not 2048 <= bits <= 4096:
        raise UnsupportedKey(spec, "an RSA key has 2048 to 4096 bits", "use rsa-3072, or ecdsa-p256, which is faster")
    if match and bits % 8 == 0:
        return rsa.generate_private_key(65537, bits)
    if spec.lower() in KEY_KINDS:
        return generate_private_key(spec.lower())
    raise UnsupportedKey(spec, "there is no such kind of key", f"use one of {', '.join(KEY_KINDS)}")


def generate_private_key(kind: str) -> PrivateKey:
    """As `generate_key`, for tests and demonstrations: `rsa-1024`, and `rsa-pss-N`, too. Raises `ValueError`."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if match := re.fullmatch(r"rsa(?:-pss)?-(1024|2048|3072|4096)", kind):
        return rsa.generate_private_key(65537, int(match[1]))
    known = ", ".join([*_CURVES, "ed25519", "rsa-2048", "rsa-3072", "rsa-4096", "rsa-pss-2048"])
    raise ValueError(f"{kind!r} is not a kind of key; use one of {known}")


def private_key_der(
    key: PrivateKey, password: str | bytes | None = None, *, pss_only: bool = False, rounds: int = pkcs8.DEFAULT_ROUNDS
) -> bytes:
    """The key as PKCS #8 in DER, encrypted (PBES2, `rounds` of PBKDF2) when there is a password.

    `pss_only` marks an RSA key as id-RSASSA-PSS, which `cryptography` reads but does not write; OpenSSL insists that
    a key is marked as its certificate is.
    """
    forms = serialization()
    plain = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    if pss_only:
        version, _, value = der.elements(der.split(plain)[1])[:3]
        plain = der.encode(der.SEQUENCE, version, RSASSA_PSS_ALGORITHM, value)
    if password is None:
        return plain
    secret = password.encode() if isinstance(password, str) else password
    if not secret:
        raise ValueError("an empty password protects nothing: give one, or None to write the key as it is")
    if not 1 <= rounds <= pkcs8.MAXIMUM_ROUNDS:
        raise ValueError(f"1 to {pkcs8.MAXIMUM_ROUNDS} rounds, not {rounds}")
    _check_password_length(secret)
    return pkcs8.encrypt(plain, secret, rounds)


def private_key_pem(
    key: PrivateKey, password: str | bytes | None = None, *, pss_only: bool = False, rounds: int = pkcs8.DEFAULT_ROUNDS
) -> bytes:
    """What `private_key_der` gives, in PEM."""
    label = "PRIVATE KEY" if password is None else "ENCRYPTED PRIVATE KEY"
    return _pem(label, private_key_der(key, password, pss_only=pss_only, rounds=rounds))


def save_private_key(
    path: str | os.PathLike[str],
    key: PrivateKey,
    password: str | bytes | None = None,
    *,
    mode: int = 0o600,
    group: int | None = None,
    replace: bool = True,
) -> None:
    """Write the key in PEM, whole or not at all, readable by its owner only. Raises `FileUnavailable`.

    `mode` and `group` are for a machine's key, which one group may read (0640).
    """
    write_atomically(path, private_key_pem(key, password), mode=mode, group=group, replace=replace)


def public_key_info(key: object) -> bytes:
    """SubjectPublicKeyInfo in DER; for an RSA key the same whether or not it is restricted to PSS."""
    if not isinstance(
        key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
    ):
        raise TypeError(f"{type(key).__name__} is not a public key that can sign")
    forms = serialization()
    return key.public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo)


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that fits a key when it signs a certificate or a request; None for EdDSA, which has its own."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()
    return hashes.SHA256()


def describe_key(key: object) -> str:
    """A key in two words, such as `ECDSA P-256` or `RSA 2048`."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return f"ECDSA {names.get(key.curve.name, key.curve.name)}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


def _is_content(source: str | bytes) -> bool:
    if isinstance(source, str):
        return "-----BEGIN " in source
    return source[:1] == b"\x30" or b"-----BEGIN " in source or b"\n" in source


def _private_key_block(data: bytes, source: str) -> bytes:
    """The PEM block of the first private key, or the DER as it is."""
    if data[:1] == b"\x30":
        return data
    labels = []
    for match in _PEM_LABEL.finditer(data):
        label = match[1]
        if label.endswith(b"PRIVATE KEY"):
            end_line = b"-----END " + label + b"-----"
            end = data.find(end_line, match.end())
            if end < 0:
                raise WrongContent(
                    source, "the private key's END line is missing", "the file was cut off: copy it again"
                )
            return data[match.start() : end + len(end_line)] + b"\n"
        labels.append(label.decode())
    if not data.strip():
        raise WrongContent(source, "the file is empty", "give a file with a private key in PEM or DER")
    if labels:
        holds = ", ".join(sorted({label.lower() for label in labels}))
        raise WrongContent(
            source,
            f"no private key in it, only: {holds}",
            "name the file with the private key, or append the key to it",
        )
    raise WrongContent(
        source, "neither PEM nor DER", "give a private key in PEM ('-----BEGIN PRIVATE KEY-----') or DER"
    )


def _is_encrypted(block: bytes) -> bool:
    if block[:1] != b"\x30":
        return b"ENCRYPTED" in block.split(b"\n\n", 1)[0].split(b"\r\n\r\n", 1)[0]
    try:
        # EncryptedPrivateKeyInfo (RFC 5958 section 3) starts with an algorithm, every plain form with a version.
        return der.split(der.split(block)[1])[0] == der.SEQUENCE
    except der.DerError:
        return False


def _password_bytes(password: Password, source: str) -> bytes:
    if password is None:
        raise PasswordRequired(
            source, "the private key is encrypted and there is no password", "give its password, or decrypt the file"
        )
    value = password() if callable(password) else password
    if not isinstance(value, (str, bytes, bytearray)):
        raise TypeError("a password is str, bytes or bytearray, or a function that returns one")
    secret = value.encode() if isinstance(value, str) else bytes(value)
    _check_password_length(secret)
    return secret


def _check_password_length(secret: bytes) -> None:
    if len(secret) > _MAXIMUM_PASSWORD_LENGTH:
        raise ValueError(f"a password is at most {_MAXIMUM_PASSWORD_LENGTH} bytes long")


def _refuse_endless_derivation(block: bytes, source: str) -> None:
    """A file chooses how long turning its password into a key takes: not for ever."""
    data = block
    if block[:1] != b"\x30":
        try:
            # The first and the last line are the label's. Lines with a colon are headers of OpenSSL's older form,
            # whose derivation has one round.
            data = b64decode(b"".join(line for line in block.splitlines()[1:-1] if b":" not in line))
        except ValueError:
            return
    if (rounds := pkcs8.rounds_asked(data)) > pkcs8.MAXIMUM_ROUNDS:
        raise WrongContent(
            source,
            f"the private key's encryption asks for {rounds} rounds, more than {pkcs8.MAXIMUM_ROUNDS}",
            "encrypt it anew with fewer",
        )


def _parse(block: bytes, secret: bytes | None, source: str) -> PrivateKey:
    is_der = block[:1] == b"\x30"
    load = serialization().load_der_private_key if is_der else serialization().load_pem_private_key
    try:
        key = load(block, secret, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise UnsupportedKey(
            source, "the private key is of a kind that cannot be used", "use an ECDSA, RSA or Ed25519 key"
        ) from error
    except (ValueError, TypeError) as error:
        # An encrypted key that does not decrypt and one that is no key look the same to OpenSSL.
        if secret is not None:
            raise WrongPassword(
                source, "the private key does not open with this password", "check the password and try again"
            ) from error
        raise WrongContent(
            source, "the private key cannot be parsed", "check that the file is complete, or make it anew"
        ) from error
    if not isinstance(
        key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
    ):
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise UnsupportedKey(source, f"a {kind} key cannot sign", "use an ECDSA, RSA or Ed25519 key")
    return key


def _pem(label: str, content: bytes) -> bytes:
    text = b64encode(content)
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])
