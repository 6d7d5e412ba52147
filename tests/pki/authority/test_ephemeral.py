"""The authority in memory: what it makes is what OpenSSL's strict mode accepts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.authority import Made, openssl_accepts
from tlsocket.pki.authority import Authority, self_signed
from tlsocket.pki.certificates import certificate_dict

KINDS = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"]


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_accepts_strictly_what_it_issues(kind: str, tmp_path: Path) -> None:
    root = Authority.create()
    middle = root.create_intermediate()
    issued = middle.issue("www.example.org", key=kind)
    leaf, issuer, top = (Made(m.certificate, m.private_key) for m in (issued, middle, root))
    assert openssl_accepts(tmp_path, leaf, [issuer], top, "www.example.org", ssl.VERIFY_X509_STRICT)


@pytest.mark.parametrize("authority_kind", ["rsa-2048", "ecdsa-p384", "ed25519"])
def test_every_authority_can_issue_a_pss_only_certificate(authority_kind: str) -> None:
    root = Authority.create(key=authority_kind)
    issued = root.issue(key="rsa-pss-2048")
    assert issued.certificate.public_key_algorithm_oid == x509.PublicKeyAlgorithmOID.RSASSA_PSS
    issued.certificate.verify_directly_issued_by(root.certificate)


def test_tells_addresses_and_mail_from_hosts() -> None:
    names = certificate_dict(self_signed(["a.example", "::1", "a@b.example"]).certificate)["subjectAltName"]
    assert names == (("DNS", "a.example"), ("IP Address", "0:0:0:0:0:0:0:1"), ("email", "a@b.example"))


def test_validity_is_what_was_asked_for() -> None:
    certificate = Authority.create().issue(not_before=1e9, not_after=1.1e9).certificate
    assert certificate.not_valid_before_utc.timestamp() == 1e9
    assert certificate.not_valid_after_utc.timestamp() == 1.1e9


def test_repr_shows_no_key() -> None:
    root = Authority.create("root")
    assert repr(root) == "<Authority CN=root>"
    assert repr(root.issue("a.example")) == "<IssuedCertificate CN=a.example>"


def test_writes_files_that_openssl_loads_and_only_we_read(tmp_path: Path) -> None:
    root = Authority.create()
    certificate, key = root.create_intermediate().issue().write(tmp_path, "a", password="secret")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, "secret")
    assert os.stat(key).st_mode & 0o777 == 0o600
    ssl.create_default_context(cafile=root.write(tmp_path / "ca.pem"))


def test_name_der_is_the_subject() -> None:
    root = Authority.create("root")
    assert root.name_der == root.certificate.subject.public_bytes()
