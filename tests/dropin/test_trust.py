"""Trust in the words of `ssl`: revocation lists, flags, common names, the callback, and what stores add."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import tlsocket
from tests.dropin.support import Files, connected, failure
from tlsocket.pki.authority import Authority, IssuedCertificate
from tlsocket.pki.errors import Refusal
from tlsocket.pki.stores import CertificateStore, StoreLocation
from tlsocket.pki.trust.review import PathReview

AUTHORITY = Authority.create("trust root")
MIDDLE = AUTHORITY.create_intermediate("trust middle")
LEAF = MIDDLE.issue(["localhost"])


def server(module: Any, folder: Path, issued: IssuedCertificate = LEAF, *, chain: bool = True) -> Any:
    """A server's context with the certificate, with or without its intermediates."""
    certificate, key = issued.write(folder, "server")
    if not chain:
        Path(certificate).write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def client(module: Any, *trusted: bytes) -> Any:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    for data in trusted:
        context.load_verify_locations(cadata=data)
    return context


def revocation_list(issuer: Authority, *serials: int) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(now - datetime.timedelta(hours=1)).next_update(now + datetime.timedelta(days=1))
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    key: Any = issuer.private_key
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def refused(client_context: Any, server_context: Any) -> ssl.SSLCertVerificationError:
    def attempt() -> None:
        with connected(client_context, server_context):
            pass

    error = failure(attempt)
    assert isinstance(error, ssl.SSLCertVerificationError)
    return error


@pytest.mark.parametrize("flag", ["VERIFY_CRL_CHECK_LEAF", "VERIFY_CRL_CHECK_CHAIN"])
def test_revocation_lists_count_as_in_ssl(module: Any, flag: str, tmp_path: Path) -> None:
    theirs = server(ssl, tmp_path)
    context = client(module, AUTHORITY.der)
    context.verify_flags |= getattr(module, flag)
    assert refused(context, theirs).verify_code == 3
    path = tmp_path / "lists.pem"
    path.write_bytes(revocation_list(MIDDLE) + revocation_list(AUTHORITY))
    context.load_verify_locations(path)
    assert context.cert_store_stats() == {"x509": 1, "crl": 2, "x509_ca": 1}
    with connected(context, theirs):
        pass
    # Together with certificates in one file, and revoked.
    both = tmp_path / "both.pem"
    both.write_bytes(
        AUTHORITY.pem + revocation_list(MIDDLE, LEAF.certificate.serial_number) + revocation_list(AUTHORITY)
    )
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(both)
    context.verify_flags |= getattr(module, flag)
    assert context.cert_store_stats() == {"x509": 1, "crl": 2, "x509_ca": 1}
    error = refused(context, theirs)
    assert (error.verify_code, error.verify_message) == (23, "certificate revoked")


def test_a_folder_may_hold_lists(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    AUTHORITY.write(folder / "ca.pem")
    (folder / "crl.pem").write_bytes(revocation_list(MIDDLE, LEAF.certificate.serial_number))
    context = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=folder)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    assert context.cert_store_stats()["crl"] == 1
    assert refused(context, server(ssl, tmp_path)).verify_code == 23


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    path = tmp_path / "crl.pem"
    path.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    with pytest.raises(ssl.SSLError):
        tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT).load_verify_locations(path)


def test_partial_chains_need_their_flag(module: Any, tmp_path: Path) -> None:
    theirs = server(ssl, tmp_path)
    context = client(module, MIDDLE.der)
    assert refused(context, theirs).verify_code == 2
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    with connected(context, theirs):
        pass


def test_the_verified_chain_ends_in_the_anchor(tmp_path: Path) -> None:
    with connected(client(tlsocket, AUTHORITY.der), server(ssl, tmp_path)) as (ours, _):
        assert ours.get_verified_chain() == [LEAF.der, MIDDLE.der, AUTHORITY.der]


def test_a_common_name_counts_only_when_asked_for(tmp_path: Path) -> None:
    theirs = server(ssl, tmp_path, MIDDLE.issue([], common_name="localhost"))
    context = client(tlsocket, AUTHORITY.der)
    assert refused(context, theirs).verify_code == 62
    context.hostname_checks_common_name = True
    with connected(context, theirs):
        pass


def test_the_callback_sees_refuses_and_overrides(tmp_path: Path) -> None:
    theirs = server(ssl, tmp_path)
    context = client(tlsocket, AUTHORITY.der)
    seen: list[PathReview] = []
    context.verify_callback = seen.append
    with connected(context, theirs):
        pass
    assert len(seen[0].path) == 3
    assert context.verify_callback is not None
    context.verify_callback = lambda review: review.refuse("not this one")
    error = refused(context, theirs)
    assert error.verify_code == 50
    assert "not this one" in str(error)
    stranger = client(tlsocket, Authority.create("somebody else").der)
    stranger.verify_callback = lambda review: None
    assert refused(stranger, theirs).verify_code == 20
    stranger.verify_callback = lambda review: review.override(Refusal.UNKNOWN_ISSUER) and None
    with connected(stranger, theirs):
        pass
    with pytest.raises(TypeError):
        context.verify_callback = "no function"
    context.verify_callback = None
    with connected(context, theirs):
        pass


# Stores


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without stores so far."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def add(store: str, certificate: x509.Certificate, **arguments: Any) -> None:
    with CertificateStore(store, StoreLocation.CURRENT_USER) as opened:
        opened.add(certificate, **arguments)


@pytest.mark.parametrize("which", ["leaf", "intermediate", "root"])
def test_distrust_counts_at_once_and_for_existing_contexts(which: str, home: Path) -> None:
    theirs = server(ssl, home)
    context = client(tlsocket, AUTHORITY.der)
    with connected(context, theirs):
        pass
    certificate = {"leaf": LEAF.certificate, "intermediate": MIDDLE.certificate, "root": AUTHORITY.certificate}[which]
    add("DISALLOWED", certificate)
    error = refused(context, theirs)
    assert (error.verify_code, error.verify_message) == (28, "certificate rejected")
    assert "distrusted" in str(error)
    with CertificateStore("DISALLOWED", StoreLocation.CURRENT_USER) as opened:
        opened.remove(certificate)
    with connected(context, theirs):
        pass


def test_a_ca_store_completes_the_path(home: Path) -> None:
    theirs = server(ssl, home, chain=False)
    assert refused(client(tlsocket, AUTHORITY.der), theirs).verify_code == 20
    add("CA", MIDDLE.certificate)
    with connected(client(tlsocket, AUTHORITY.der), theirs) as (ours, _):
        assert len(ours.get_verified_chain()) == 3


def test_a_root_store_is_among_the_default_certificates(home: Path) -> None:
    theirs = server(ssl, home)
    context = tlsocket.create_default_context()
    assert refused(context, theirs).verify_code in (19, 20)
    add("ROOT", AUTHORITY.certificate)
    with connected(tlsocket.create_default_context(), theirs):
        pass
    add("ROOT", AUTHORITY.certificate, purposes=["1.3.6.1.5.5.7.3.2"])
    error = refused(tlsocket.create_default_context(), theirs)
    assert error.verify_code == 28
    assert "vouch for servers" in str(error)


def test_a_file_of_ours_is_still_what_it_was(files: Files) -> None:
    context = client(tlsocket)
    context.load_verify_locations(files.authority)
    assert len(context.get_ca_certs()) == 1


def test_a_refusal_carries_the_chain_the_depth_and_a_hint(tmp_path: Path) -> None:
    error = refused(client(tlsocket, Authority.create("somebody else").pem), server(tlsocket, tmp_path))
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert vars(error)["chain"] == LEAF.chain
    assert vars(error)["depth"] == 1
    assert "load the certificate of CN=trust root" in vars(error)["hint"]
    assert vars(error)["hint"] in str(error)
