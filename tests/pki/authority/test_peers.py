"""What we make, judged by OpenSSL and GnuTLS; what they make, certified by us; what we ask, certified by them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from tests.pki.authority.support import (
    PASSWORD,
    Family,
    distinguished,
    family,
    host,
    request,
    run,
    write_pem,
)
from tlsocket.pki import der
from tlsocket.pki.authority import CertificateAuthority, Issued
from tlsocket.pki.authority.ocsp import MAXIMUM_REQUEST_SIZE
from tlsocket.pki.requests import CertificateRequest

KINDS = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"]

Peer = Callable[[str], str]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Family]:
    with family(tmp_path / "authorities") as authorities:
        yield authorities


def purposes(issued: Issued) -> list[str]:
    usages = issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    names = {"1.3.6.1.5.5.7.3.1": "sslserver", "1.3.6.1.5.5.7.3.2": "sslclient", "1.3.6.1.5.5.7.3.3": "any"}
    return [names[usage.dotted_string] for usage in usages]


# -- certificates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_gnutls_verify_every_profile(tmp_path: Path, peer: Peer, kind: str) -> None:
    with family(tmp_path / "authorities", kind) as authorities:
        chain = write_pem(tmp_path / "middle.pem", authorities.middle.certificate)
        for profile in ("server", "client", "both", "code-signing"):
            plain = (x509.BasicConstraints(False, None), True)
            wildcards = () if profile == "client" else ("*.b.example.org",)
            names = plain if profile == "code-signing" else host("a.example.org", *wildcards)
            for issuer in (authorities.root, authorities.middle):
                issued = issuer.issue(request(distinguished("A thing"), names), profile=profile)
                leaf = write_pem(tmp_path / "leaf.pem", issued.certificate)
                for purpose in purposes(issued):
                    told = run(
                        peer("openssl"), "verify", "-x509_strict", "-check_ss_sig", "-policy_check",
                        "-purpose", purpose, "-CAfile", authorities.root_pem, "-untrusted", chain, leaf,
                    )  # fmt: skip
                    assert told.strip().endswith("leaf.pem: OK")
                whole = write_pem(tmp_path / "chain.pem", *issued.chain)
                told = run(
                    peer("certtool"), "--verify", "--load-ca-certificate", authorities.root_pem, "--infile", whole
                )
                assert "Chain verification output: Verified." in told


def test_openssl_refuses_what_a_profile_is_not_for(made: Family, tmp_path: Path, peer: Peer) -> None:
    """The judge can say no."""
    leaf = write_pem(tmp_path / "leaf.pem", made.root.issue(request(), profile="client").certificate)
    run(peer("openssl"), "verify", "-purpose", "sslserver", "-CAfile", made.root_pem, leaf, status=2)


def test_openssl_reads_the_authoritys_files(made: Family, peer: Peer) -> None:
    text = run(peer("openssl"), "x509", "-noout", "-text", "-in", made.middle_pem)
    assert "CA:TRUE, pathlen:0" in text
    assert "Certificate Sign, CRL Sign" in text
    key = made.middle.path / "authority.key"
    assert "Private-Key" in run(peer("openssl"), "pkey", "-noout", "-text", "-in", key, "-passin", f"pass:{PASSWORD}")
    run(peer("openssl"), "pkey", "-noout", "-in", key, "-passin", "pass:wrong", status=1)
    told = run(peer("openssl"), "verify", "-x509_strict", "-CAfile", made.root_pem, made.middle.path / "issuers.pem")
    assert told.count(": OK") == 1


# -- requests from and to other programs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["-newkey", "rsa:2048"],
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
        ["-newkey", "ed25519"],
        ["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss"],
    ],
    ids=lambda options: "-".join(option.strip("-") for option in options),
)
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_request_of_openssls_is_certified(
    made: Family, tmp_path: Path, peer: Peer, options: list[str], form: str
) -> None:
    run(
        peer("openssl"), "req", "-new", *options, "-nodes", "-keyout", tmp_path / "key.pem", "-subj",
        "/C=DE/O=Example/CN=www.example.org", "-addext", "subjectAltName=DNS:www.example.org,IP:192.0.2.1",
        "-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment",
        "-outform", form, "-out", tmp_path / "request",
    )  # fmt: skip
    issued = made.middle.issue((tmp_path / "request").read_bytes())
    leaf = write_pem(tmp_path / "leaf.pem", issued.certificate)
    told = run(
        peer("openssl"), "verify", "-x509_strict", "-verify_hostname", "www.example.org", "-purpose", "sslserver",
        "-CAfile", made.root_pem, "-untrusted", made.middle_pem, leaf,
    )  # fmt: skip
    assert ": OK" in told
    # The certificate is for the key that openssl kept.
    assert run(peer("openssl"), "x509", "-noout", "-pubkey", "-in", leaf) == run(
        peer("openssl"), "pkey", "-pubout", "-in", tmp_path / "key.pem"
    )


def test_a_request_of_certtools_is_certified(made: Family, tmp_path: Path, peer: Peer) -> None:
    template = tmp_path / "template"
    template.write_text('cn = "www.example.org"\ndns_name = "www.example.org"\nsigning_key\ntls_www_server\n')
    run(peer("certtool"), "--generate-privkey", "--key-type", "ecdsa", "--outfile", tmp_path / "key.pem")
    run(
        peer("certtool"), "--generate-request", "--load-privkey", tmp_path / "key.pem", "--template", template,
        "--outfile", tmp_path / "request.pem",
    )  # fmt: skip
    issued = made.root.issue((tmp_path / "request.pem").read_text())
    leaf = write_pem(tmp_path / "leaf.pem", issued.certificate)
    assert ": OK" in run(peer("openssl"), "verify", "-x509_strict", "-CAfile", made.root_pem, leaf)


def test_openssls_idea_of_an_authority_in_a_request_is_refused(made: Family, tmp_path: Path, peer: Peer) -> None:
    run(
        peer("openssl"), "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", tmp_path / "key.pem", "-subj", "/CN=www.example.org", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "subjectAltName=DNS:www.example.org", "-out", tmp_path / "request",
    )  # fmt: skip
    with pytest.raises(Exception, match="asks for an authority"):
        made.root.issue((tmp_path / "request").read_bytes())
    assert len(made.root.entries()) == 1


@pytest.mark.parametrize("tool", ["x509", "ca"])
def test_our_request_is_certified_by_openssl(tmp_path: Path, peer: Peer, tool: str) -> None:
    """MISSION row 3: the authority on the other end is somebody else's."""
    made = CertificateRequest.create("CN=www.example.org", "dns:www.example.org", key="ecdsa-p256", usage="server")
    made.save(tmp_path / "request.pem")
    openssl = peer("openssl")
    run(
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=Their authority", "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.pem",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    if tool == "x509":
        run(
            openssl, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "7", "-copy_extensions", "copyall", "-out", "leaf.pem", cwd=tmp_path,
        )  # fmt: skip
    else:
        (tmp_path / "index.txt").touch()
        (tmp_path / "ca.conf").write_text(
            "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\npolicy = p\n"
            "default_md = sha256\ncopy_extensions = copy\n[p]\ncommonName = supplied\n"
        )
        run(
            openssl, "ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-days", "7",
            "-in", "request.pem", "-out", "leaf.pem", "-notext", cwd=tmp_path,
        )  # fmt: skip
    certificate = x509.load_pem_x509_certificate((tmp_path / "leaf.pem").read_bytes())
    assert certificate.public_key() == made.public_key
    told = run(
        openssl, "verify", "-verify_hostname", "www.example.org", "-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"
    )
    assert ": OK" in told


# -- revocation lists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_gnutls_accept_the_lists(tmp_path: Path, peer: Peer, kind: str) -> None:
    with family(tmp_path / "authorities", kind) as authorities:
        issued = [authorities.middle.issue(request()).certificate for _ in range(3)]
        authorities.middle.revoke(issued[0], "keyCompromise")
        authorities.middle.revoke(issued[1])
        crls = b"".join(
            authority.crl().public_bytes(serialization.Encoding.PEM)
            for authority in (authorities.middle, authorities.root)
        )
        path = tmp_path / "crls.pem"
        path.write_bytes(crls)
        told = run(peer("openssl"), "crl", "-verify", "-noout", "-text", "-CAfile", authorities.middle_pem, "-in", path)
        assert "verify OK" in told
        assert "X509v3 CRL Number" in told
        assert "Key Compromise" in told
        told = run(peer("certtool"), "--crl-info", "--infile", path)
        assert "CRL Number (not critical): 01" in told
        assert "Revoked certificates (2)" in told
        told = run(peer("certtool"), "--verify-crl", "--load-ca-certificate", authorities.middle_pem, "--infile", path)
        assert "Verified" in told
        for number, status in enumerate((2, 2, 0)):
            leaf = write_pem(tmp_path / "leaf.pem", issued[number])
            told = run(
                peer("openssl"), "verify", "-x509_strict", "-crl_check_all", "-CRLfile", path,
                "-CAfile", authorities.root_pem, "-untrusted", authorities.middle_pem, leaf, status=status,
            )  # fmt: skip
            assert ("certificate revoked" in told) == bool(status)


def test_openssl_refuses_the_list_of_another_authority(made: Family, tmp_path: Path, peer: Peer) -> None:
    (tmp_path / "crl.pem").write_bytes(made.root.crl().public_bytes(serialization.Encoding.PEM))
    told = run(
        peer("openssl"), "crl", "-verify", "-noout", "-CAfile", made.middle_pem, "-in", tmp_path / "crl.pem", status=1
    )
    assert "verify OK" not in told


# -- OCSP ---------------------------------------------------------------------------------------------------------


def ocsp_verdict(peer: Peer, made: Family, folder: Path, leaves: list[Path], digest: str) -> str:
    """`openssl ocsp` asks, we answer, `openssl ocsp` verifies the answer against its request."""
    asked, answered = folder / "ocsp.request", folder / "ocsp.response"
    about = [part for leaf in leaves for part in (f"-{digest}", "-cert", str(leaf))]
    run(
        peer("openssl"), "ocsp", "-issuer", made.middle_pem, *about, "-no_cert_verify",
        "-reqout", asked,
    )  # fmt: skip
    answered.write_bytes(made.middle.ocsp_response(asked.read_bytes()))
    # -no_nonce: the request has one; without the option openssl would put another in its place before comparing.
    return run(
        peer("openssl"), "ocsp", "-issuer", made.middle_pem, *about, "-no_nonce", "-reqin", asked, "-respin", answered,
        "-CAfile", made.root_pem, "-verify_other", made.middle_pem,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_openssl_verifies_what_it_asked(tmp_path: Path, peer: Peer, kind: str, digest: str) -> None:
    with family(tmp_path / "authorities", kind) as authorities:
        certificates = [authorities.middle.issue(request()).certificate for _ in range(3)]
        authorities.middle.revoke(certificates[1], "superseded")
        leaves = [write_pem(tmp_path / f"leaf{i}.pem", leaf) for i, leaf in enumerate(certificates)]
        told = ocsp_verdict(peer, authorities, tmp_path, leaves[:1], digest)
        assert "Response verify OK" in told
        assert "leaf0.pem: good" in told
        # Several at once, and with the nonce that openssl sends unless told otherwise.
        told = ocsp_verdict(peer, authorities, tmp_path, leaves, digest)
        assert "Response verify OK" in told
        assert "WARNING" not in told
        assert "leaf0.pem: good" in told
        assert "leaf1.pem: revoked" in told
        assert "Reason: superseded" in told
        assert "leaf2.pem: good" in told


def test_openssl_notices_a_forged_answer(made: Family, tmp_path: Path, peer: Peer) -> None:
    leaf = made.middle.issue(request()).certificate
    built = ocsp.OCSPRequestBuilder().add_certificate(leaf, made.middle.certificate, hashes.SHA256()).build()
    encoded = built.public_bytes(serialization.Encoding.DER)
    answer = bytearray(made.middle.ocsp_response(encoded))
    answer[-5] ^= 1
    (tmp_path / "answer").write_bytes(answer)
    told = run(
        peer("openssl"), "ocsp", "-respin", tmp_path / "answer", "-CAfile", made.root_pem,
        "-verify_other", made.middle_pem, status=1,
    )  # fmt: skip
    assert "Verify Failure" in told


def test_gnutls_verifies_the_answer(made: Family, tmp_path: Path, peer: Peer) -> None:
    issued = made.middle.issue(request())
    leaf = write_pem(tmp_path / "leaf.pem", issued.certificate)
    ocsptool = peer("ocsptool")
    asked, answered = tmp_path / "request", tmp_path / "response"
    run(
        ocsptool, "--generate-request", "--load-issuer", made.middle_pem, "--load-cert", leaf,
        "--outfile", asked,
    )  # fmt: skip
    answered.write_bytes(made.middle.ocsp_response(asked.read_bytes()))
    told = run(ocsptool, "--verify-response", "--load-signer", made.middle_pem, "--infile", answered)
    assert "Verifying OCSP Response: Success" in told
    told = run(ocsptool, "--response-info", "--infile", answered)
    assert "Certificate Status: good" in told


def test_an_answer_read_by_cryptography(made: Family) -> None:
    leaf = made.middle.issue(request()).certificate
    held = made.middle.revoke(leaf, "certificateHold")
    nonce = b"n" * 32
    asked = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(leaf, made.middle.certificate, hashes.SHA256())
        .add_extension(x509.OCSPNonce(nonce), False)
        .build()
    )
    encoded = made.middle.ocsp_response(asked.public_bytes(serialization.Encoding.DER), days=2)
    answer = ocsp.load_der_ocsp_response(encoded)
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_reason is x509.ReasonFlags.certificate_hold
    assert answer.revocation_time_utc is not None
    assert answer.revocation_time_utc.timestamp() == held.revoked_at
    assert answer.serial_number == leaf.serial_number
    assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    assert answer.next_update_utc is not None
    assert (answer.next_update_utc - answer.this_update_utc).days == 2
    key = made.middle.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert answer.responder_key_hash == key


def cert_id(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()
    return request.public_bytes(serialization.Encoding.DER)


def test_certificates_that_are_not_in_the_ledger_are_unknown_or_unauthorized(made: Family, tmp_path: Path) -> None:
    foreign = CertificateAuthority.create(tmp_path, "foreign", distinguished("Test Issuer", O="Example"))
    leaf = foreign.issue(request()).certificate
    foreign.close()
    status = ocsp.load_der_ocsp_response(made.middle.ocsp_response(cert_id(leaf, foreign.certificate))).response_status
    assert status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    # Asked as if it were ours: the serial number is unknown to us.
    answer = ocsp.load_der_ocsp_response(made.middle.ocsp_response(cert_id(leaf, made.middle.certificate)))
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        b"\x30\x02\x30\x00",
        b"\x30\x04\x30\x02\x30\x00",
        b"\x30\x80" + bytes(10),
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30" * 100,
        b"\0" * (MAXIMUM_REQUEST_SIZE + 1),
        base64.b64decode("MAkwBzAFMAMCAQE="),
    ],
)
def test_what_is_no_ocsp_request_is_malformed(made: Family, data: bytes) -> None:
    answer = ocsp.load_der_ocsp_response(made.root.ocsp_response(data))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_too_many_questions_and_too_long_a_nonce_are_malformed(made: Family) -> None:
    leaf = made.root.issue(request()).certificate
    single = der.elements(der.split(der.elements(der.split(cert_id(leaf, made.root.certificate))[1])[0])[1])[0]
    one = der.elements(der.split(single)[1])[0]
    for count, expected in ((64, "SUCCESSFUL"), (65, "MALFORMED_REQUEST")):
        listed = der.encode(der.SEQUENCE, *[one] * count)
        asked = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, listed))
        assert ocsp.load_der_ocsp_response(made.root.ocsp_response(asked)).response_status.name == expected
    for length, expected in ((128, "SUCCESSFUL"), (200, "MALFORMED_REQUEST")):
        built = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(leaf, made.root.certificate, hashes.SHA1())
            .add_extension(x509.OCSPNonce(b"n" * length), False)
            .build()
        )
        answer = ocsp.load_der_ocsp_response(made.root.ocsp_response(built.public_bytes(serialization.Encoding.DER)))
        assert answer.response_status.name == expected
