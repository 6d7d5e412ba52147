"""Fifty chains with one thing wrong with each, and what is said of it: the table is written by hand.

Each row: the chain, then reason, depth, OpenSSL's verify_code and words of the remedy, as a person would expect them.
`openssl verify` judges the same chain; where it gives another number, `theirs` has it with the reason beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki.trust.chains import CLIENT, HOST, NOW, Made, bits, crl, entry, forge, leaf, with_sha1
from tests.pki.trust.judges import openssl_verdict, pem
from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.keys import generate_private_key
from tlsocket.pki.revocation import RevocationCheck, RevocationList, RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES
from tlsocket.pki.trust.verifier import Verifier


@dataclass(frozen=True)
class Chain:
    """What a peer sends and a machine trusts."""

    sent: Sequence[Made]
    trusted: Sequence[Made]
    lists: Sequence[x509.CertificateRevocationList] = ()
    distrusted: Sequence[Made] = ()
    raw: Sequence[bytes] = ()
    """Instead of `sent`, where bytes were damaged."""

    @property
    def ders(self) -> list[bytes]:
        return list(self.raw) or [made.der for made in self.sent]


@dataclass(frozen=True)
class Row:
    """A broken chain and what must be said of it."""

    title: str
    make: Callable[[], Chain]
    reason: Refusal
    depth: int
    code: int
    remedy: str
    profile: str = "strict"
    host: str = HOST
    purpose: Purpose = Purpose.SERVER
    theirs: int | None = None
    """OpenSSL's number where it is another one; 0: it accepts the chain; -1: it was not asked."""


def root(**arguments: Any) -> Made:
    return forge("root", **arguments)


def middle(**arguments: Any) -> Made:
    return forge("middle", root(), **arguments)


def direct(trusted: Made | None = None, **arguments: Any) -> Chain:
    """A leaf right below the root."""
    top = trusted or root()
    return Chain([leaf(top, **arguments)], [top])


def through(authority: Made, **arguments: Any) -> Chain:
    """A leaf below an intermediate below the root."""
    return Chain([leaf(authority, **arguments), authority], [root()])


def with_lists(*lists: x509.CertificateRevocationList, serial: int = 4711) -> Chain:
    top = root()
    return Chain([leaf(top, serial=serial)], [top], lists or [crl(top)])


def damaged_signature() -> Chain:
    good = leaf(root())
    data = bytearray(good.der)
    data[-4] ^= 1
    return Chain([good], [root()], raw=[bytes(data)])


def damaged_intermediate() -> Chain:
    data = bytearray(middle().der)
    data[-4] ^= 1
    return Chain([], [root()], raw=[leaf(middle()).der, bytes(data)])


def garbled() -> Chain:
    return Chain([], [root()], raw=[b"\x30\x03\x02\x01", root().der])


def critical_unknown(on_issuer: bool) -> Chain:
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55738.666.1"), b"\x05\x00"), True)]
    return through(middle(extra=unknown)) if on_issuer else direct(extra=unknown)


def forged_namesake() -> Chain:
    """A chain below an authority that calls itself as the trusted one."""
    stranger = forge("root", key=generate_private_key("ecdsa-p256"))
    return Chain([leaf(stranger)], [root()])


def stranger(sends_root: bool) -> Chain:
    top = forge("stranger")
    between = forge("its middle", top)
    return Chain([leaf(between), between, *([top] if sends_root else [])], [root()])


def narrow(permitted: Sequence[x509.GeneralName] | None, excluded: Sequence[x509.GeneralName] | None) -> Made:
    return middle(constraints=x509.NameConstraints(permitted, excluded))


def deep() -> Chain:
    first = middle(path_length=0)
    second = forge("lower", first)
    return Chain([leaf(second), second, first], [root()])


def end_entity_as_issuer() -> Chain:
    false = leaf(root(), "false.example", names=["false.example"], usage=bits("digital_signature", "key_cert_sign"))
    return Chain([leaf(false), false], [root()])


def distrusted_intermediate() -> Chain:
    between = middle()
    return Chain([leaf(between), between], [root()], distrusted=[between])


def scoped(**arguments: bool) -> x509.IssuingDistributionPoint:
    fields = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**{**fields, **arguments})  # type: ignore[arg-type]


ODD, UNKNOWN = Refusal.NONCONFORMING, Refusal.REVOCATION_UNKNOWN
DNS = x509.DNSName
ANEW = "issued anew"

ROWS = [
    # Dates
    Row("leaf expired", lambda: direct(since=-60, until=-3), Refusal.EXPIRED, 0, 10, "renewed"),
    Row("leaf not yet valid", lambda: direct(since=2), Refusal.NOT_YET_VALID, 0, 9, "clock"),
    Row("intermediate expired", lambda: through(middle(since=-60, until=-1)), Refusal.EXPIRED, 1, 10, "renewed"),
    Row("intermediate not yet valid", lambda: through(middle(since=1)), Refusal.NOT_YET_VALID, 1, 9, "wait until"),
    Row("root expired", lambda: direct(root(since=-60, until=-1)), Refusal.EXPIRED, 1, 10, "renewed"),
    # No way to an anchor
    Row("intermediate not sent", lambda: Chain([leaf(middle())], [root()]), Refusal.UNKNOWN_ISSUER, 0, 20,
        "have the peer send its intermediate"),
    Row("unknown root, not sent", lambda: stranger(False), Refusal.UNKNOWN_ISSUER, 1, 20,
        "load the certificate of CN=stranger",
        theirs=20),
    Row("unknown root, sent", lambda: stranger(True), Refusal.SELF_SIGNED_IN_CHAIN, 2, 19, "if you know it, trust it"),
    Row("self-signed leaf", lambda: Chain([leaf(None)], [root()]), Refusal.SELF_SIGNED_LEAF, 0, 18,
        "if you know it, trust it"),
    Row("authority made anew", forged_namesake, Refusal.UNKNOWN_ISSUER, 0, 20, "perhaps made anew"),
    Row("trust is empty", lambda: Chain([leaf(root())], []), Refusal.UNKNOWN_ISSUER, 0, 20, "ca-certificates",
        theirs=-1),
    Row("partial chain under openssl", lambda: Chain([leaf(middle())], [middle()]), Refusal.UNKNOWN_ISSUER, 1, 2,
        "VERIFY_X509_PARTIAL_CHAIN", profile="openssl"),
    # Signatures and keys
    Row("leaf altered", damaged_signature, Refusal.BAD_SIGNATURE, 0, 7, "altered or forged"),
    Row("intermediate altered", damaged_intermediate, Refusal.BAD_SIGNATURE, 1, 7, "altered or forged"),
    Row("leaf signed with SHA-1", lambda: Chain([with_sha1(leaf(root()), root())], [root()]), Refusal.WEAK_SIGNATURE,
        0, 68,
        "SHA-256"),
    Row("intermediate signed with SHA-1", lambda: Chain([leaf(middle()), with_sha1(middle(), root())], [root()]),
        Refusal.WEAK_SIGNATURE, 1, 68, "SHA-256"),
    Row("RSA key of 1024 bits", lambda: direct(kind="rsa-1024"), Refusal.WEAK_KEY, 0, 66, "2048 bits or more"),
    Row("intermediate's RSA key of 1024 bits", lambda: through(middle(kind="rsa-1024")), Refusal.WEAK_KEY, 1, 67,
        "2048 bits or more"),
    Row("Ed25519 under webpki", lambda: direct(kind="ed25519"), Refusal.WEAK_KEY, 0, 66, "P-256", profile="webpki",
        theirs=0),
    # Names
    Row("another host", direct, Refusal.HOSTNAME_MISMATCH, 0, 62, "names 'other.example'", host="other.example"),
    Row("another address", lambda: direct(names=["192.0.2.1"]), Refusal.IP_ADDRESS_MISMATCH, 0, 64,
        "names '192.0.2.2'", host="192.0.2.2"),
    Row("host name as common name only", lambda: direct(names=[]), Refusal.HOSTNAME_MISMATCH, 0, 62,
        "a common name does not count", theirs=0),
    Row("wildcard too far", lambda: direct(names=["*.example.org"]), Refusal.HOSTNAME_MISMATCH, 0, 62,
        "names 'a.b.example.org'", host="a.b.example.org"),
    Row("not within permitted names", lambda: through(narrow([DNS("example.com")], None)), Refusal.NAME_CONSTRAINT, 0,
        47,
        "may issue for these names"),
    Row("within excluded names", lambda: through(narrow(None, [DNS("example.org")])), Refusal.NAME_CONSTRAINT, 0, 48,
        "may issue for these names"),
    Row("wildcard over an excluded name", lambda: through(narrow(None, [DNS("bad.example.org")]),
        names=["*.example.org"]),
        Refusal.NAME_CONSTRAINT, 0, 48, "may issue for these names", theirs=0),
    # Purposes
    Row("client's certificate as a server's", lambda: direct(purposes=[CLIENT]), Refusal.INVALID_PURPOSE, 0, 26,
        "issued for this purpose"),
    Row("server's certificate as a client's", direct, Refusal.INVALID_PURPOSE, 0, 26, "issued for this purpose",
        purpose=Purpose.CLIENT),
    Row("intermediate for clients only", lambda: through(middle(purposes=[CLIENT])), Refusal.INVALID_PURPOSE, 1, 26,
        "issued for this purpose"),
    Row("code signing only", lambda: direct(purposes=[ExtendedKeyUsageOID.CODE_SIGNING]), Refusal.INVALID_PURPOSE, 0,
        26,
        "issued for this purpose"),
    Row("leaf's key for nothing that TLS does", lambda: direct(usage=bits("crl_sign")), Refusal.INVALID_PURPOSE, 0, 26,
        "keyUsage"),
    # Authorities
    Row("end entity as issuer", end_entity_as_issuer, Refusal.INVALID_CA, 1, 79, "proper authority"),
    Row("issuer without basicConstraints", lambda: through(middle(ca=None, usage=bits("key_cert_sign"))),
        Refusal.INVALID_CA, 1, 79, "proper authority"),
    Row("issuer without keyCertSign", lambda: through(middle(usage=bits("crl_sign"))), Refusal.INVALID_CA, 1, 79,
        "proper authority"),
    Row("too many below an authority", deep, Refusal.PATH_TOO_LONG, 2, 25, "nearer to it"),
    # Extensions
    Row("unknown critical extension", lambda: critical_unknown(False), Refusal.UNHANDLED_CRITICAL_EXTENSION, 0, 34,
        "certificate without it"),
    Row("unknown critical extension in an issuer", lambda: critical_unknown(True), Refusal.UNHANDLED_CRITICAL_EXTENSION,
        1, 34, "certificate without it"),
    Row("no certificate at all", garbled, Refusal.MALFORMED, 0, 41, "installed anew", theirs=-1),
    # Form
    Row("no authorityKeyIdentifier", lambda: direct(aki=False), ODD, 0, 85, ANEW),
    Row("authority without subjectKeyIdentifier", lambda: through(middle(ski=False)), ODD, 1, 86, ANEW),
    Row("basicConstraints not critical", lambda: through(middle(basic_critical=False)), ODD, 1, 89, ANEW),
    Row("authority without keyUsage", lambda: through(middle(no_usage=True)), ODD, 1, 92, ANEW),
    Row("neither subject nor critical names", lambda: direct(subject=""), ODD, 0, 88, ANEW),
    Row("authority as server under webpki", lambda: direct(ca=True, usage=bits("digital_signature", "key_cert_sign")),
        ODD, 0, 37, "Baseline", profile="webpki", theirs=0),
    # Revocation and distrust
    Row("revoked", lambda: with_lists(crl(root(), entry(4711, x509.ReasonFlags.key_compromise))), Refusal.REVOKED, 0,
        23,
        "do not trust"),
    Row("no list of this authority", lambda: with_lists(crl(forge("other"))), UNKNOWN, 0, 3,
        "load the present revocation list"),
    Row("list too old", lambda: with_lists(crl(root(), since=-9, until=-1)), UNKNOWN, 0, 12, "load the present list"),
    Row("list forged", lambda: with_lists(crl(root(), key=generate_private_key("ecdsa-p256"))), UNKNOWN, 0, 8,
        "load the present list"),
    Row("list of another scope", lambda: with_lists(crl(root(), extra=[(scoped(only_contains_ca_certs=True), True)])),
        UNKNOWN, 0, 44, "load the present list"),
    Row("explicitly distrusted", distrusted_intermediate,
        Refusal.DISTRUSTED, 1, 28, "DISALLOWED", theirs=0),
]  # fmt: skip


def verify(row: Row, chain: Chain) -> None:
    anchors = TrustAnchors([made.certificate for made in chain.trusted])
    anchors = anchors.distrusting(*[made.certificate for made in chain.distrusted])
    revocation = None
    if chain.lists:
        lists = RevocationLists([RevocationList(item.public_bytes(Encoding.DER)) for item in chain.lists])
        revocation = RevocationCheck(lists, whole_chain=False)
    verifier = Verifier(anchors, profile=PROFILES[row.profile], revocation=revocation)
    host = row.host if row.purpose is Purpose.SERVER else None
    verifier.verify(chain.ders, row.purpose, host, NOW.timestamp())


def test_there_are_fifty() -> None:
    assert len(ROWS) == len({row.title for row in ROWS}) == 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_says_what_is_wrong(row: Row) -> None:
    chain = row.make()
    with pytest.raises(VerificationFailed) as caught:
        verify(row, chain)
    error = caught.value
    assert (error.reason, error.depth, error.verify_code) == (row.reason, row.depth, row.code), error
    assert row.remedy in error.remedy
    assert error.verify_message
    if row.reason is not Refusal.MALFORMED:
        assert error.certificate is not None
        assert error.certificate.public_bytes(Encoding.DER) in [*chain.ders, *(made.der for made in chain.trusted)]
        assert error.attempts
        assert all(attempt.problems and attempt.path[0] == chain.ders[0] for attempt in error.attempts)


@pytest.mark.parametrize("row", [row for row in ROWS if row.theirs != -1], ids=lambda row: row.title)
def test_openssl_gives_the_same_number(row: Row, peer: Callable[[str], str], tmp_path: Path) -> None:
    chain = row.make()
    first, *others = chain.ders
    verdict = openssl_verdict(
        peer("openssl"),
        tmp_path,
        pem(first),
        pem(*others),
        pem(*[made.certificate for made in chain.trusted]),
        strict=row.profile != "openssl",
        purpose=row.purpose,
        name=row.host if row.purpose is Purpose.SERVER else None,
        is_address=row.reason is Refusal.IP_ADDRESS_MISMATCH,
        at=NOW.timestamp(),
        crls=b"".join(item.public_bytes(Encoding.PEM) for item in chain.lists),
    )
    assert verdict.code == (row.code if row.theirs is None else row.theirs), verdict.text
