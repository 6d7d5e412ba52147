"""Every find type, with the same answers at each location (MISSION row 14), and values that are of no use."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.authority import key_usage, make
from tests.support.stores import family
from tlsocket.pki.names import DistinguishedName
from tlsocket.pki.stores import BadFindValue, CertificateStore, FindType, StoreLocation

SERVER, OTHER, ROOT, INTERMEDIATE = (
    family().server,
    family().other,
    family().root,
    family().intermediate,
)
POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4.5"), None)])
SIGNER = make(
    "Signer",
    ROOT,
    [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False), (POLICY, False), (key_usage(), True)],
    serial=77,
    days=365,
)
EVERYTHING = {"server": SERVER, "other": OTHER, "root": ROOT, "intermediate": INTERMEDIATE, "signer": SIGNER}
NOW = datetime.datetime.now(datetime.UTC)
LATER = NOW + datetime.timedelta(days=100)
SKI = SERVER.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def sha256(made: Any) -> str:
    from cryptography.hazmat.primitives import hashes

    return str(made.certificate.fingerprint(hashes.SHA256()).hex())


def sha1(made: Any) -> str:
    from cryptography.hazmat.primitives import hashes

    return str(made.certificate.fingerprint(hashes.SHA1()).hex())


CASES: list[tuple[FindType, Any, str]] = [
    (FindType.THUMBPRINT, sha256(SERVER), "server"),
    (FindType.THUMBPRINT, sha1(SERVER).upper(), "server"),
    (FindType.THUMBPRINT, ":".join(sha256(ROOT)[i : i + 2] for i in range(0, 64, 2)), "root"),
    (FindType.THUMBPRINT, "\u200e" + sha1(ROOT), "root"),
    (FindType.THUMBPRINT, "00" * 32, ""),
    (FindType.THUMBPRINT_SHA1, sha1(OTHER), "other"),
    (FindType.THUMBPRINT_SHA256, bytes.fromhex(sha256(OTHER)), "other"),
    (FindType.SUBJECT_NAME, "EXAMPLE", "server other"),
    (FindType.SUBJECT_NAME, "test", "root intermediate"),
    (FindType.SUBJECT_NAME, "nobody", ""),
    (FindType.SUBJECT_DISTINGUISHED_NAME, "CN=server.example", "server"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, "cn=SERVER.example", "server"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, "/CN=Test  root", "root"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, 'CN="Test Root"', "root"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, ROOT.certificate.subject, "root"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, DistinguishedName.parse("CN=Test Root"), "root"),
    (FindType.SUBJECT_DISTINGUISHED_NAME, "CN=Test", ""),
    (FindType.ISSUER_NAME, "intermediate", "server other"),
    (FindType.ISSUER_DISTINGUISHED_NAME, "CN=Test Root", "root intermediate signer"),
    (FindType.SERIAL_NUMBER, 0xABC123, "server"),
    (FindType.SERIAL_NUMBER, "ab:c1:23", "server"),
    (FindType.SERIAL_NUMBER, "0xABC123", "server"),
    (FindType.SERIAL_NUMBER, "77", "signer"),
    (FindType.SERIAL_NUMBER, "4d", "signer"),
    (FindType.TIME_VALID, None, "server other root intermediate signer"),
    (FindType.TIME_VALID, LATER, "signer"),
    (FindType.TIME_VALID, LATER.timestamp(), "signer"),
    (FindType.TIME_EXPIRED, LATER, "server other root intermediate"),
    (FindType.TIME_NOT_YET_VALID, NOW - datetime.timedelta(days=1), "server other root intermediate signer"),
    (FindType.TIME_NOT_YET_VALID, None, ""),
    (FindType.KEY_USAGE, "keyCertSign", "root intermediate"),
    (FindType.KEY_USAGE, "digital_signature", "server other root intermediate signer"),
    (FindType.KEY_USAGE, ["digital-signature", "crl_sign"], "root intermediate"),
    (FindType.KEY_USAGE, "encipher_only", ""),
    (FindType.EXTENDED_KEY_USAGE, "server", "server other root intermediate"),
    (FindType.EXTENDED_KEY_USAGE, "1.3.6.1.5.5.7.3.3", "root intermediate signer"),
    (FindType.EXTENDED_KEY_USAGE, "code-signing", "root intermediate signer"),
    (FindType.SUBJECT_KEY_IDENTIFIER, SKI, "server"),
    (FindType.SUBJECT_KEY_IDENTIFIER, SKI.hex(":").upper(), "server"),
    (FindType.EXTENSION, "2.5.29.32", "signer"),
    (FindType.EXTENSION, "certificatePolicies", "signer"),
    (FindType.EXTENSION, "subjectAltName", "server other"),
    (FindType.EXTENSION, x509.ObjectIdentifier("2.5.29.30"), ""),
    (FindType.CERTIFICATE_POLICY, "1.2.3.4.5", "signer"),
    (FindType.CERTIFICATE_POLICY, "1.2.3", ""),
    (FindType.DNS_NAME, "SERVER.example.", "server"),
    (FindType.DNS_NAME, "a.wild.example", "server"),
    (FindType.DNS_NAME, "a.b.wild.example", ""),
    (FindType.FRIENDLY_NAME, "THE server", "server"),
    (FindType.PUBLIC_KEY, OTHER.key, "other"),
    (FindType.PUBLIC_KEY, OTHER.key.public_key(), "other"),
    (FindType.HAS_PRIVATE_KEY, True, "server"),
    (FindType.HAS_PRIVATE_KEY, False, "other root intermediate signer"),
]


def filled(location: StoreLocation) -> CertificateStore:
    store = CertificateStore("MY", location, password="pw")
    store.add_range([made.certificate for made in EVERYTHING.values() if made is not SERVER])
    store.add(SERVER.certificate, SERVER.key, friendly_name="The Server")
    return CertificateStore("MY", location, password="pw")


def test_the_same_find_at_each_location(location: StoreLocation) -> None:
    store = filled(location)
    for kind, value, expected in CASES:
        found = {
            name
            for name, made in EVERYTHING.items()
            if made.certificate in [e.certificate for e in store.find(kind, value)]
        }
        assert found == set(expected.split()), (kind, value)
    assert {kind for kind, _, _ in CASES} == set(FindType)


def test_find_in_the_system_s_own_store() -> None:
    store = CertificateStore("ROOT", StoreLocation.LOCAL_MACHINE)
    for kind, value, expected in CASES:
        if kind not in (FindType.HAS_PRIVATE_KEY, FindType.FRIENDLY_NAME):
            assert bool(store.find(kind, value)) == ("root" in expected.split()), (kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FindType.THUMBPRINT, "abc"),
        (FindType.THUMBPRINT, "zz" * 32),
        (FindType.THUMBPRINT, "ab" * 16),
        (FindType.THUMBPRINT, None),
        (FindType.THUMBPRINT_SHA1, "ab" * 32),
        (FindType.THUMBPRINT_SHA256, "ab" * 20),
        (FindType.SUBJECT_NAME, 5),
        (FindType.SUBJECT_DISTINGUISHED_NAME, "no name at all"),
        (FindType.SUBJECT_DISTINGUISHED_NAME, 5),
        (FindType.SERIAL_NUMBER, "xyz"),
        (FindType.SERIAL_NUMBER, True),
        (FindType.TIME_VALID, datetime.datetime(2026, 1, 1)),
        (FindType.TIME_VALID, "2026"),
        (FindType.TIME_VALID, 1e300),
        (FindType.KEY_USAGE, "fly"),
        (FindType.KEY_USAGE, []),
        (FindType.KEY_USAGE, 5),
        (FindType.EXTENDED_KEY_USAGE, "fly"),
        (FindType.EXTENDED_KEY_USAGE, "1." + "9" * 5000),
        (FindType.SUBJECT_KEY_IDENTIFIER, "xyz"),
        (FindType.EXTENSION, "9.9.9"),
        (FindType.CERTIFICATE_POLICY, ""),
        (FindType.DNS_NAME, b"x"),
        (FindType.PUBLIC_KEY, "x"),
    ],
)
def test_a_value_of_no_use_is_refused(kind: FindType, value: Any) -> None:
    with pytest.raises(BadFindValue):
        filled(StoreLocation.memory()).find(kind, value)


def test_valid_only_looks_at_dates_and_distrust() -> None:
    store = filled(StoreLocation.memory())
    assert len(store.find(FindType.SUBJECT_NAME, "", valid_only=True)) == 5
    assert len(store.find(FindType.SUBJECT_NAME, "", valid_only=True, at=LATER)) == 1
    store.distrust(SIGNER.certificate)
    assert store.find(FindType.SUBJECT_NAME, "", valid_only=True, at=LATER) == ()
