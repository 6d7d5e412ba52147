"""Requests are made, loaded, shown and verified, and OpenSSL and GnuTLS read what we make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.faults import FailingFileSystem
from tlsocket.pki import der, files
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.errors import FileUnavailable, LoadError, MissingFile, PkiError, UnsupportedKey, WrongContent
from tlsocket.pki.keys import generate_private_key, public_key_info, save_private_key
from tlsocket.pki.names import DistinguishedName, NameSyntaxError
from tlsocket.pki.requests import CertificateRequest, InvalidRequest, RequestUsage

SUBJECT = "CN=www.example.org,O=Example\\, Inc.,C=DE"
SANS = "dns:www.example.org,dns:*.example.org,ip:192.0.2.1,ip:2001:db8::1,email:a@example.org,uri:https://example.org/"
KINDS = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"]

create = CertificateRequest.create


def test_asks_for_what_it_was_told() -> None:
    request = create(SUBJECT, SANS)
    assert request.subject == DistinguishedName.parse(SUBJECT)
    assert str(request.alternative_names) == SANS
    assert request.key_usage == ("digitalSignature",)
    assert request.extended_key_usage == ("serverAuth",)
    assert request.basic_constraints == x509.BasicConstraints(ca=False, path_length=None)
    assert repr(request) == rf"<CertificateRequest {SUBJECT}>"
    assert request.describe() == [
        ("subject", SUBJECT),
        ("names", SANS),
        ("key", "ECDSA P-256"),
        ("key usage", "digitalSignature"),
        ("purposes", "serverAuth"),
        ("authority", "no"),
    ]


@pytest.mark.parametrize(
    ("usage", "key_usage", "purposes", "authority"),
    [
        ("server", ("digitalSignature",), ("serverAuth",), False),
        ("client", ("digitalSignature",), ("clientAuth",), False),
        (RequestUsage.BOTH, ("digitalSignature",), ("serverAuth", "clientAuth"), False),
        ("code-signing", ("digitalSignature",), ("codeSigning",), False),
        ("intermediate", ("digitalSignature", "keyCertSign", "cRLSign"), (), True),
    ],
)
def test_each_usage_is_a_set_of_extensions(
    usage: str | RequestUsage, key_usage: tuple[str, ...], purposes: tuple[str, ...], authority: bool
) -> None:
    request = CertificateRequest.load(create(SUBJECT, usage=usage).der)
    assert request.key_usage == key_usage
    assert request.extended_key_usage == purposes
    assert request.basic_constraints == x509.BasicConstraints(ca=authority, path_length=0 if authority else None)
    critical = {extension.oid for extension in request.csr.extensions if extension.critical}
    assert critical == {ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS}


def test_each_extension_can_be_given_instead() -> None:
    request = create(
        SUBJECT,
        usage=None,
        key_usage=["keyAgreement", "encipherOnly"],
        extended_key_usage=["OCSPSigning", "1.3.6.1.4.1.99999.1", x509.ObjectIdentifier("1.2.3")],
        basic_constraints=x509.BasicConstraints(ca=True, path_length=3),
    )
    assert request.key_usage == ("keyAgreement", "encipherOnly")
    assert request.extended_key_usage == ("OCSPSigning", "1.3.6.1.4.1.99999.1", "1.2.3")
    assert ("authority", "yes, at most 3 authorities below it") in request.describe()
    assert not create(SUBJECT, usage=None).csr.extensions
    assert create(SUBJECT, key_usage="keyCertSign").key_usage == ("keyCertSign",)
    usage = request.csr.extensions.get_extension_for_class(x509.KeyUsage).value
    assert create(SUBJECT, key_usage=usage).key_usage == request.key_usage


def test_names_come_in_every_form() -> None:
    sans = SubjectAlternativeNames.parse("dns:a.example")
    name = DistinguishedName.parse("CN=a")
    for request in (create(name, sans), create("/CN=a", "dns:a.example"), create('CN="a"', list(sans))):
        assert request.subject == name
        assert request.alternative_names == sans


def test_without_a_subject_the_names_are_critical() -> None:
    request = CertificateRequest.load(create("", "dns:a.example").pem)
    assert not request.subject
    assert request.csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert request.describe()[0] == ("subject", "empty")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"subject": ""}, "name nobody"),
        ({"usage": "servant"}, "use one of server, client"),
        ({"key_usage": ["sign"]}, "'sign' is not a key usage"),
        ({"key_usage": ["encipherOnly"]}, "makes no sense"),
        ({"extended_key_usage": ["web"]}, "'web' is not a purpose"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        create(**{"subject": SUBJECT, **arguments})  # type: ignore[arg-type]
    assert caught.value.remedy


def test_wrong_names_and_keys_are_their_own_errors() -> None:
    with pytest.raises(NameSyntaxError):
        create("CN=a,,")
    with pytest.raises(NameSyntaxError):
        create("CN=a", "dns:")
    with pytest.raises(UnsupportedKey):
        create("CN=a", key="rsa-1024")


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_that_signs_is_the_one_in_it(kind: str) -> None:
    request = create(SUBJECT, key=kind)
    assert request.private_key is not None
    assert public_key_info(request.private_key.public_key()) == public_key_info(request.public_key)
    loaded = CertificateRequest.load(request.pem)
    loaded.verify()
    assert loaded.private_key is None
    assert loaded.der == request.der
    key = generate_private_key(kind)
    assert create(SUBJECT, key=key).private_key is key


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_gnutls_read_what_we_make(kind: str, tmp_path: Path, peer: Callable[[str], str]) -> None:
    create(SUBJECT, SANS, key=kind, usage="both").save(tmp_path / "request.pem")
    assert os.stat(tmp_path / "request.pem").st_mode & 0o777 == 0o644
    command = [peer("openssl"), "req", "-in", "request.pem", "-verify", "-noout", "-text", "-nameopt", "RFC2253"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert "verify OK" in done.stdout + done.stderr
    for line in (
        f"Subject: {SUBJECT}",
        "DNS:www.example.org, DNS:*.example.org, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a",
        "URI:https://example.org/",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ):
        assert line in done.stdout
    command = [peer("certtool"), "--crq-info", "--infile", "request.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    assert "Self signature: verified" in done.stdout
    for line in (
        "DNSname: *.example.org",
        "IPAddress: 2001:db8::1",
        "TLS WWW Client",
        "Authority (CA): FALSE",
    ):
        assert line in done.stdout


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("new", [True, False])
def test_reads_what_openssl_makes(form: str, new: bool, tmp_path: Path, peer: Callable[[str], str]) -> None:
    key = generate_private_key("rsa-2048")
    save_private_key(tmp_path / "key.pem", key)
    command = [peer("openssl"), "req", "-new", "-key", "key.pem", "-outform", form, "-out", "request", "-utf8"]
    command += ["-subj", "/C=DE/O=Ex\\/ample/CN=a", "-addext", "subjectAltName=DNS:a.example,IP:::1,RID:1.2.3"]
    command += ["-addext", "extendedKeyUsage=clientAuth,1.2.3", "-addext", "keyUsage=keyAgreement,decipherOnly"]
    command += ["-addext", "tlsfeature=status_request", *(["-newhdr"] if new else [])]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=True)
    request = CertificateRequest.load(tmp_path / "request")
    request.verify()
    assert str(request.subject) == "CN=a,O=Ex/ample,C=DE"
    assert str(request.alternative_names) == "dns:a.example,ip:::1,id:1.2.3"
    assert request.extended_key_usage == ("clientAuth", "1.2.3")
    assert request.key_usage == ("keyAgreement", "decipherOnly")
    assert request.basic_constraints is None
    assert request.describe()[-1] == ("other extensions", "1.3.6.1.5.5.7.1.24")
    assert public_key_info(request.public_key) == public_key_info(key.public_key())


def test_reads_what_certtool_makes(tmp_path: Path, peer: Callable[[str], str]) -> None:
    save_private_key(tmp_path / "key.pem", generate_private_key("ecdsa-p256"))
    lines = ['cn = "Example"', 'dns_name = "a.example"', "challenge_password = secret", "tls_www_server", ""]
    (tmp_path / "template").write_text("\n".join(lines))
    command = [peer("certtool"), "--generate-request", "--load-privkey", "key.pem", "--template", "template"]
    subprocess.run([*command, "--outfile", "request"], cwd=tmp_path, capture_output=True, timeout=30, check=True)
    request = CertificateRequest.load(tmp_path / "request")
    request.verify()
    assert request.subject.common_name == "Example"
    assert str(request.alternative_names) == "dns:a.example"
    assert "secret" not in str(request.describe())


def tampered(request: CertificateRequest) -> bytes:
    """The request with another subject, and the signature as it was."""
    return request.der.replace(b"www.example.org", b"www.example.com")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_was_changed_does_not_verify(kind: str) -> None:
    request = CertificateRequest.load(tampered(create(SUBJECT, key=kind)))
    with pytest.raises(InvalidRequest, match="was changed, or made with another key") as caught:
        request.verify()
    assert "www.example.com" in str(caught.value)


def test_a_request_for_a_foreign_key_does_not_verify() -> None:
    one, other = create("CN=a", usage=None), create("CN=b", usage=None)
    swapped = one.der.replace(public_key_info(one.public_key), public_key_info(other.public_key))
    with pytest.raises(InvalidRequest):
        CertificateRequest.load(swapped).verify()


def test_a_signature_that_cannot_be_checked_is_told() -> None:
    made = create("CN=a", usage=None)
    body, algorithm, signature = der.elements(der.split(made.der)[1])
    assert algorithm == bytes.fromhex("300a06082a8648ce3d040302")
    unknown = der.encode(der.SEQUENCE, body, bytes.fromhex("300a06082a8648ce3d04037f"), signature)
    with pytest.raises(InvalidRequest, match=r"1\.2\.840\.10045\.4\.3\.127.*cannot be checked"):
        CertificateRequest.load(unknown).verify()
    rsa_request = create("CN=a", usage=None, key="rsa-2048")
    body, _, signature = der.elements(der.split(rsa_request.der)[1])
    md5 = der.encode(der.SEQUENCE, body, bytes.fromhex("300d06092a864886f70d0101040500"), signature)
    with pytest.raises(InvalidRequest):
        CertificateRequest.load(md5).verify()


REQUEST = create(SUBJECT, SANS)
FIRST_LINE, *_, LAST_LINE = REQUEST.pem.splitlines()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"hello", "neither PEM nor DER"),
        (REQUEST.pem[:200], "END line is missing"),
        (FIRST_LINE + b"\n!!!!\n" + LAST_LINE, "not base64"),
        (FIRST_LINE + b"\nAAAA\n" + LAST_LINE, "cannot be parsed"),
        (REQUEST.der[:-1], "cannot be parsed"),
        (REQUEST.der + b"\0", "cannot be parsed"),
        (b"\x30\x80", "cannot be parsed"),
        (b"\x30" + bytes(2 * 1024 * 1024), "larger than a request"),
        (REQUEST.pem.replace(b" REQUEST", b""), "only: certificate"),
    ],
)
def test_says_what_is_wrong_with_the_content(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "request.pem"
    path.write_bytes(content)
    with pytest.raises(WrongContent, match=words) as caught:
        CertificateRequest.load(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="certificate request"):
        CertificateRequest.load(tmp_path / "gone")


def with_fields(subject: bytes | None = None, key: bytes | None = None) -> bytes:
    """A request whose signature no longer fits."""
    outer = der.elements(der.split(REQUEST.der)[1])
    version, old_subject, old_key, attributes = der.elements(der.split(outer[0])[1])
    body = der.encode(der.SEQUENCE, version, subject or old_subject, key or old_key, attributes)
    return der.encode(der.SEQUENCE, body, *outer[1:])


def test_a_key_that_cannot_sign_is_refused() -> None:
    for key in (dsa.generate_private_key(1024).public_key(), x25519.X25519PrivateKey.generate().public_key()):
        with pytest.raises(LoadError):
            CertificateRequest.load(with_fields(key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)))


def test_a_name_beyond_the_bounds_is_loaded_without_a_warning_of_another_library() -> None:
    long = DistinguishedName.parse("CN=" + 70 * "x", enforce_limits=False)
    request = CertificateRequest.load(with_fields(subject=long.to_der()))
    assert request.subject == long
    assert request.subject.limit_problems()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 255))
def test_a_flipped_byte_is_a_typed_error_or_a_request_that_can_be_shown(place: int, mask: int) -> None:
    damaged = bytearray(REQUEST.der)
    damaged[place % len(damaged)] ^= mask
    try:
        request = CertificateRequest.load(bytes(damaged))
        assert all(text.isprintable() for _, text in request.describe())
        request.verify()
    except PkiError:
        return
    # Outside what is signed there is only the count of unused bits of the signature, which is no part of its value.
    assert request.csr.tbs_certrequest_bytes == REQUEST.csr.tbs_certrequest_bytes


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000))
def test_a_truncated_request_is_a_typed_error(length: int) -> None:
    with pytest.raises(WrongContent):
        CertificateRequest.load(REQUEST.der[: length % len(REQUEST.der)] or b"\x30")


def test_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "request.pem"
    REQUEST.save(path)
    other = create("CN=other")
    monkeypatch.setattr(files, "system", FailingFileSystem(2))
    with pytest.raises(FileUnavailable, match="make room"):
        other.save(path)
    monkeypatch.undo()
    assert CertificateRequest.load(path).der == REQUEST.der
    with pytest.raises(FileUnavailable):
        other.save(path, replace=False)


def test_openssl_issues_from_our_request(tmp_path: Path, peer: Callable[[str], str]) -> None:
    """The round trip with an authority that is not ours: request, `openssl x509 -req`, the certificate fits the key."""
    authority_key = generate_private_key("ecdsa-p256")
    save_private_key(tmp_path / "ca.key", authority_key)
    openssl = peer("openssl")
    request = create(SUBJECT, SANS)
    request.save(tmp_path / "request.pem")
    for command in (
        ["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=authority", "-out", "ca.pem", "-days", "10"],
        ["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy",
         "-out", "certificate.pem", "-days", "5"],
        ["verify", "-CAfile", "ca.pem", "-purpose", "sslserver", "-verify_hostname", "b.example.org",
         "certificate.pem"],
    ):  # fmt: skip
        subprocess.run([openssl, *command], cwd=tmp_path, capture_output=True, timeout=30, check=True)
    certificate = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    assert DistinguishedName.from_x509(certificate.subject) == request.subject
    assert SubjectAlternativeNames.from_extensions(certificate.extensions) == request.alternative_names
    assert request.private_key is not None
    assert public_key_info(request.private_key.public_key()) == public_key_info(certificate.public_key())


def test_the_hash_fits_the_key() -> None:
    found = {kind: create("CN=a", key=kind).csr.signature_hash_algorithm for kind in KINDS}
    names = {kind: algorithm and algorithm.name for kind, algorithm in found.items()}
    assert names == {
        "ecdsa-p256": "sha256",
        "ecdsa-p384": "sha384",
        "ecdsa-p521": "sha512",
        "ed25519": None,
        "rsa-2048": "sha256",
    }
