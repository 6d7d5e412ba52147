"""`SSLContext`: defaults, ordering errors and bad input, beside those of `ssl`."""

from __future__ import annotations

import copy
import gc
import pickle
import socket
import ssl
import stat
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

import tlsocket
from tests.dropin.support import MODULES, Background, Files, connected, failure, server_context, tcp_pair
from tlsocket.pki.authority import Authority, IssuedCertificate

OTHER_FILE = str(Path(__file__).with_name("conftest.py"))
"""A file with neither a key nor a certificate in it."""
CLIENT, SERVER = ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER


def both(call: Callable[[Any], Any]) -> tuple[BaseException, BaseException]:
    """What `call` raises with our module and with the standard library's."""
    return failure(lambda: call(tlsocket)), failure(lambda: call(ssl))


@pytest.mark.parametrize("protocol", [CLIENT, SERVER])
@pytest.mark.parametrize(
    "attribute",
    ["check_hostname", "verify_mode", "verify_flags", "options", "minimum_version", "maximum_version", "protocol",
     "num_tickets", "post_handshake_auth", "keylog_filename", "sni_callback", "security_level"],
)  # fmt: skip
def test_attributes_start_as_in_ssl(protocol: int, attribute: str) -> None:
    ours, theirs = (getattr(module.SSLContext(protocol), attribute) for module in MODULES.values())
    assert ours == theirs
    assert type(ours) is type(theirs)


def test_session_stats_have_the_keys_of_ssl() -> None:
    assert tlsocket.SSLContext(CLIENT).session_stats() == ssl.SSLContext(CLIENT).session_stats()


def test_a_context_passes_for_one_of_ssl(client: Any) -> None:
    for module in MODULES.values():
        assert isinstance(client, module.SSLContext)
    assert type(client) is tlsocket.SSLContext
    assert "tlsocket.SSLContext" in repr(client)


def test_a_context_can_be_subclassed_with_arguments_of_its_own(module: Any) -> None:
    class Context(module.SSLContext):  # type: ignore[misc]
        def __new__(cls, name: str) -> Any:
            return super().__new__(cls, CLIENT)

        def __init__(self, name: str) -> None:
            self.name = name

    context = Context("mine")
    assert context.name == "mine"
    assert context.check_hostname is True


@pytest.mark.parametrize("value", [99, "x", None, 1.5])
def test_wrong_protocols_raise_what_ssl_raises(value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if value is None:
            assert tlsocket.SSLContext().protocol == ssl.PROTOCOL_TLS
            return
        ours, theirs = both(lambda module: module.SSLContext(value))
    assert type(ours) is type(theirs)


def test_the_protocol_for_both_roles_is_deprecated(module: Any) -> None:
    with pytest.warns(DeprecationWarning, match="PROTOCOL_TLS is deprecated"):
        module.SSLContext(module.PROTOCOL_TLS)
    with pytest.warns(DeprecationWarning, match="deprecated") as caught:
        module.SSLContext()
    assert [str(warning.message) for warning in caught] == [
        "ssl.SSLContext() without protocol argument is deprecated.",
        "ssl.PROTOCOL_TLS is deprecated",
    ]


@pytest.mark.parametrize("protocol", ["PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1"])
def test_protocols_of_one_old_version_are_refused(protocol: str) -> None:
    with pytest.raises(ValueError, match=r"PROTOCOL_TLSv1.*TLS 1\.2 and TLS 1\.3"):
        tlsocket.SSLContext(getattr(tlsocket, protocol))


def set_to(attribute: str, value: Any, protocol: int = CLIENT) -> Callable[[Any], Any]:
    return lambda module: setattr(module.SSLContext(protocol), attribute, value)


def wrap_datagrams(module: Any) -> Any:
    """TLS is for streams; the socket is closed however that is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        return module.SSLContext(CLIENT).wrap_socket(plain)


@pytest.mark.parametrize(
    "call",
    [
        set_to("verify_mode", ssl.CERT_NONE),
        set_to("verify_mode", 7),
        set_to("verify_mode", "x"),
        set_to("minimum_version", 5),
        set_to("minimum_version", "x"),
        set_to("maximum_version", 5),
        set_to("options", "x"),
        set_to("options", 1 << 100),
        set_to("num_tickets", 1, CLIENT),
        set_to("num_tickets", -1, SERVER),
        set_to("sni_callback", print, CLIENT),
        set_to("sni_callback", 5, SERVER),
        set_to("keylog_filename", 5),
        set_to("keylog_filename", "/nonexistent/folder/file"),
        set_to("security_level", 1),
        lambda module: module.SSLContext(CLIENT).set_alpn_protocols([""]),
        lambda module: module.SSLContext(CLIENT).set_alpn_protocols(["x" * 256]),
        lambda module: module.SSLContext(CLIENT).set_alpn_protocols([b"x"]),
        lambda module: module.SSLContext(CLIENT).set_ciphers("nonsense"),
        lambda module: module.SSLContext(CLIENT).set_ciphers("TLS_AES_128_GCM_SHA256"),
        lambda module: module.SSLContext(CLIENT).set_ciphers(""),
        lambda module: module.SSLContext(CLIENT).set_ecdh_curve("nonsense"),
        lambda module: module.SSLContext(CLIENT).load_dh_params("/nonexistent"),
        lambda module: module.SSLContext(CLIENT).load_dh_params(OTHER_FILE),
        lambda module: module.SSLContext(CLIENT).load_default_certs("SERVER_AUTH"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(),
        lambda module: module.SSLContext(CLIENT).load_verify_locations("/nonexistent"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(b"/nonexistent"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(7),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(capath=7),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata=""),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata=b""),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata="broken"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata=b"broken"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata="\xe4"),
        lambda module: module.SSLContext(CLIENT).load_verify_locations(cadata=5),
        lambda module: module.SSLContext(SERVER).load_cert_chain(None),
        lambda module: module.SSLContext(SERVER).load_cert_chain("/nonexistent"),
        lambda module: module.SSLContext(SERVER).load_cert_chain(5),
        lambda module: module.SSLContext(SERVER).load_cert_chain(OTHER_FILE),
        wrap_datagrams,
        lambda module: module.create_default_context("SERVER_AUTH"),
        lambda module: pickle.dumps(module.SSLContext(CLIENT)),
        lambda module: copy.copy(module.SSLContext(CLIENT)),
        lambda module: module.SSLSocket(),
        lambda module: module.SSLObject(),
    ],
)
def test_bad_input_raises_what_ssl_raises(call: Callable[[Any], Any]) -> None:
    ours, theirs = both(call)
    # A missing file has a class of ours that derives from FileNotFoundError.
    assert isinstance(ours, type(theirs)), (ours, theirs)
    if isinstance(theirs, OSError) and not isinstance(theirs, ssl.SSLError):
        assert isinstance(ours, OSError)
        assert ours.errno == theirs.errno
    if isinstance(theirs, ssl.SSLError):
        assert getattr(ours, "reason", None) == getattr(theirs, "reason", None)
        assert getattr(ours, "library", None) == getattr(theirs, "library", None)


def test_check_hostname_and_verify_mode_depend_on_each_other(module: Any) -> None:
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.check_hostname = True
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(ValueError, match="Cannot set verify_mode to CERT_NONE when check_hostname is enabled"):
        context.verify_mode = ssl.CERT_NONE
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.verify_mode = 1
    assert context.verify_mode is ssl.CERT_OPTIONAL


def test_a_maximum_below_tls_1_2_is_refused_and_says_so() -> None:
    context = tlsocket.SSLContext(CLIENT)
    for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1, ssl.TLSVersion.SSLv3):
        with pytest.raises(ValueError, match=r"speaks TLS 1\.2 and TLS 1\.3"):
            context.maximum_version = version
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED):
        context.maximum_version = version
        assert context.maximum_version is version


def test_minimum_versions_read_back(module: Any) -> None:
    context = module.SSLContext(CLIENT)
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context.minimum_version = version
        assert context.minimum_version is version
    context.minimum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL:DeprecationWarning")
def test_a_context_without_any_protocol_cannot_be_used(files: Files) -> None:
    context = tlsocket.create_default_context(cafile=files.authority)
    context.options |= ssl.OP_NO_TLSv1_3 | ssl.OP_NO_TLSv1_2
    with pytest.raises(ssl.SSLError) as caught:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert caught.value.reason == "NO_PROTOCOLS_AVAILABLE"


def test_flags_that_would_not_be_heeded_are_refused() -> None:
    context = tlsocket.SSLContext(CLIENT)
    with pytest.raises(ValueError, match="not supported"):
        context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.parametrize(
    "ciphers",
    ["DEFAULT", "ALL:@SECLEVEL=1", "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!MD5", "HIGH:!aNULL:!eNULL",
     "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305", "AES256-SHA", "kRSA", "nonsense:HIGH",
     "DEFAULT:!DHE", "EECDH+AESGCM EDH+AESGCM", "@SECLEVEL=2:ECDH+AESGCM:AES128-GCM-SHA256"],
)  # fmt: skip
def test_usual_cipher_strings_are_accepted(module: Any, ciphers: str) -> None:
    context = module.SSLContext(CLIENT)
    context.set_ciphers(ciphers)
    assert {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} <= {
        entry["name"] for entry in context.get_ciphers()
    }


def test_get_ciphers_describes_suites_as_ssl_does() -> None:
    theirs = {entry["name"]: entry for entry in ssl.SSLContext(CLIENT).get_ciphers()}
    for entry in tlsocket.SSLContext(CLIENT).get_ciphers():
        assert entry == theirs[entry["name"]]


def test_ciphersuites_are_chosen_in_order(client: Any, server: Any) -> None:
    names = ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"]
    client.set_ciphersuites(":".join(names))
    assert [entry["name"] for entry in client.get_ciphers() if entry["protocol"] == "TLSv1.3"] == names
    server.set_ciphersuites(names[0])
    with connected(client, server) as (near, far):
        assert near.cipher() == far.cipher() == (names[0], "TLSv1.3", 256)
        assert far.shared_ciphers() == [near.cipher()]
        assert near.shared_ciphers() is None


@pytest.mark.parametrize("suites", ["", "nonsense", "TLS_AES_128_GCM_SHA256:nonsense", "ECDHE-RSA-AES256-GCM-SHA384"])
def test_unknown_ciphersuites_are_refused(client: Any, suites: str) -> None:
    with pytest.raises(ssl.SSLError, match="No cipher suite can be selected"):
        client.set_ciphersuites(suites)


@pytest.mark.parametrize("name", ["prime256v1", "secp384r1", "X25519", "P-521"])
def test_one_group_can_be_demanded(client: Any, server: Any, name: str) -> None:
    server.set_ecdh_curve(name)
    assert name.lower() in [group.lower() for group in server.get_groups(include_aliases=True)]
    with connected(client, server) as (near, far):
        expected = {"prime256v1": "secp256r1", "P-521": "secp521r1"}.get(name, name.lower())
        assert near.group() == far.group() == expected
        near.sendall(b"x")
        assert far.recv(1) == b"x"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("P-384:x25519", "secp384r1"),
        ("X25519MLKEM768", "X25519MLKEM768"),
        ("SecP256r1MLKEM768:X25519", "SecP256r1MLKEM768"),
        ("SECP384R1MLKEM1024", "SecP384r1MLKEM1024"),
        ("x448", "x448"),
        ("?kyber:x448", "x448"),
        ("?*X25519MLKEM768 / ?*X25519:?secp256r1 / ?X448:?secp384r1:?secp521r1", "X25519MLKEM768"),
        ("DEFAULT:-X25519MLKEM768:-SecP256r1MLKEM768:-SecP384r1MLKEM1024", "x25519"),
        ("DEFAULT", "X25519MLKEM768"),
    ],
)
def test_groups_are_chosen_in_order(client: Any, server: Any, listed: str, expected: str) -> None:
    client.set_groups(listed)
    assert client.sslobject_class is not None
    server.set_groups(listed)
    with connected(client, server) as (near, far):
        assert near.group() == far.group() == expected


def test_groups_that_there_are(client: Any) -> None:
    names = client.get_groups()
    assert names[0] == "X25519MLKEM768"
    assert {"x25519", "x448", "secp256r1", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"} < set(names)
    assert "P-256" not in names
    assert {"P-256", "prime256v1"} < set(client.get_groups(include_aliases=True))


@pytest.mark.parametrize("listed", ["", "nonsense", "x25519:nonsense", "?nonsense", "x25519:-x25519", "ffdhe2048"])
def test_unknown_groups_are_refused(client: Any, listed: str) -> None:
    with pytest.raises(ssl.SSLError, match="unrecognized group"):
        client.set_groups(listed)


def test_signature_algorithms_are_chosen_for_each_side(files: Files, client: Any, server: Any) -> None:
    assert "ecdsa_secp256r1_sha256" in tlsocket.get_sigalgs()
    assert not [name for name in tlsocket.get_sigalgs() if "sha1" in name]
    client.load_cert_chain(files.client_certificate, files.client_key)
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    client.set_server_sigalgs("?ed9000:ecdsa_secp256r1_sha256:rsa_pss_rsae_sha384:RSA-PSS+SHA256:ed25519")
    server.set_client_sigalgs("ECDSA+SHA256:rsa_pss_rsae_sha512")
    with connected(client, server) as (near, far):
        assert near.server_sigalg() == far.server_sigalg()
        assert near.client_sigalg() == far.client_sigalg()
        assert near.server_sigalg() in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha384")
        assert near.client_sigalg() in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha512")


def test_what_is_asked_of_clients_is_nothing_about_the_server(files: Files, client: Any, server: Any) -> None:
    """The server's own ECDSA key was refused, by the list of what clients may sign with."""
    client.load_cert_chain(files.client_certificate, files.client_key)
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_OPTIONAL
    server.set_client_sigalgs("rsa_pss_rsae_sha384")
    with connected(client, server) as (near, far):
        assert near.server_sigalg() == far.server_sigalg() == "ecdsa_secp256r1_sha256"
        assert far.client_sigalg() is None


def test_signature_algorithm_that_no_certificate_has(client: Any, server: Any) -> None:
    client.set_server_sigalgs("ed448")
    with pytest.raises(ssl.SSLError, match="handshake failure"), connected(client, server):
        pass


@pytest.mark.parametrize("call", ["set_client_sigalgs", "set_server_sigalgs"])
@pytest.mark.parametrize("listed", ["", "nonsense", "RSA+SHA1", "ecdsa_sha1", "ed25519:nonsense", "?nonsense"])
def test_unknown_signature_algorithms_are_refused(client: Any, call: str, listed: str) -> None:
    with pytest.raises(ssl.SSLError, match="unrecognized signature algorithm"):
        getattr(client, call)(listed)


def test_nothing_is_known_of_a_handshake_before_it(client: Any) -> None:
    conn = client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert (conn.group(), conn.client_sigalg(), conn.server_sigalg()) == (None, None, None)


def test_datagram_sockets_are_refused(module: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(NotImplementedError, match="only stream sockets are supported"):
            module.SSLContext(SERVER).wrap_socket(sock, server_side=True)
        assert sock.fileno() >= 0


def test_dead_features_are_accepted_with_a_warning(client: Any, tmp_path: Path) -> None:
    (tmp_path / "dh.pem").write_text("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n")
    with pytest.warns(RuntimeWarning, match="finite-field"):
        client.load_dh_params(tmp_path / "dh.pem")
    with pytest.warns(DeprecationWarning, match="NPN"):
        client.set_npn_protocols(["http/1.1"])
    assert client.hostname_checks_common_name is False
    client.hostname_checks_common_name = True
    assert client.hostname_checks_common_name is True


# Certificates of ours


def source_kinds(files: Files) -> dict[str, tuple[Any, Any]]:
    certificate, key = Path(files.certificate), Path(files.key)
    chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "paths": (files.certificate, files.key),
        "path objects": (certificate, key),
        "bytes paths": (files.certificate.encode(), files.key.encode()),
        "PEM text": (certificate.read_text(), key.read_text()),
        "PEM bytes": (certificate.read_bytes(), bytearray(key.read_bytes())),
        "DER": (chain[0].public_bytes(serialization.Encoding.DER), der),
        "objects": (chain, private),
        "one object": (chain[0], private),
        "object and path": (chain, files.key),
        "path and object": (files.certificate, private),
        "one text": (certificate.read_text() + key.read_text(), None),
    }


@pytest.mark.parametrize(
    "kind",
    ["paths", "path objects", "bytes paths", "PEM text", "PEM bytes", "DER", "objects", "one object", "object and path",
     "path and object", "one text"],
)  # fmt: skip
def test_load_cert_chain_takes(kind: str, files: Files, client: Any) -> None:
    context = tlsocket.SSLContext(SERVER)
    context.load_cert_chain(*source_kinds(files)[kind])
    with connected(client, context) as (near, _):
        assert near.getpeercert()["subject"] == ((("commonName", "localhost"),),)


def write_container(path: Path, issued: IssuedCertificate, *, key: bool = True) -> Path:
    """A PKCS #12 file with a certificate, what leads to its root, and its key."""
    private_key = issued.private_key if key else None
    encryption = serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"web", private_key, issued.certificate, issued.intermediates, encryption
        )
    )
    return path


def test_load_cert_chain_takes_pkcs12(tmp_path: Path) -> None:
    authority = Authority.create("a root")
    issued = authority.create_intermediate("in the middle").issue(["localhost"])
    path = write_container(tmp_path / "server.p12", issued)
    client = tlsocket.create_default_context(cadata=authority.pem.decode())
    for source in (path, str(path), path.read_bytes()):
        for password in ("secret", b"secret", lambda: "secret"):
            server = tlsocket.SSLContext(SERVER)
            server.load_cert_chain(source, password=password)
            with connected(client, server) as (near, _):
                assert tuple(near.get_unverified_chain()) == issued.chain
    server = tlsocket.SSLContext(SERVER)
    server.load_cert_chain(path, password="secret")
    renewed = authority.issue(["localhost"])
    write_container(path, renewed)
    assert server.reload() == (str(path),)
    with connected(client, server) as (near, _):
        assert near.getpeercert(True) == renewed.der


def test_pkcs12_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    issued = Authority.create("a root").issue(["localhost"])
    path = write_container(tmp_path / "server.p12", issued)
    keyless = write_container(tmp_path / "keyless.p12", issued, key=False)
    for source, password, text in (
        (path, "wrong", "server.p12: it does not open with this password"),
        (path, None, "server.p12: it is protected by a password"),
        (keyless, "secret", "keyless.p12: there is no certificate with its key in it"),
    ):
        with pytest.raises(ssl.SSLError, match=text):
            tlsocket.SSLContext(SERVER).load_cert_chain(source, password=password)


def test_a_certificate_object_needs_its_key(files: Files) -> None:
    with pytest.raises(TypeError, match="keyfile is needed"):
        tlsocket.SSLContext(SERVER).load_cert_chain(source_kinds(files)["objects"][0])


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    ours, theirs = both(lambda module: module.SSLContext(SERVER).load_cert_chain(files.certificate, files.client_key))
    assert isinstance(ours, ssl.SSLError)
    assert isinstance(theirs, ssl.SSLError)
    assert (ours.library, ours.reason) == (theirs.library, theirs.reason) == ("X509", "KEY_VALUES_MISMATCH")
    assert "key values mismatch" in str(ours)
    assert files.client_key in str(ours)
    assert files.certificate in str(ours)


def test_a_missing_file_is_named(files: Files) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.pem.*check the path") as caught:
        tlsocket.SSLContext(SERVER).load_cert_chain(files.folder / "missing.pem")
    assert caught.value.filename == str(files.folder / "missing.pem")
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        tlsocket.SSLContext(CLIENT).load_verify_locations(files.folder / "missing.pem")


def test_a_file_with_something_else_is_named(files: Files) -> None:
    for arguments in ((OTHER_FILE,), (files.certificate, files.certificate)):
        with pytest.raises(ssl.SSLError, match=r"PEM lib.*: .*; "):
            tlsocket.SSLContext(SERVER).load_cert_chain(*arguments)
    with pytest.raises(ssl.SSLError, match=r"no certificate or crl found.*conftest\.py") as caught:
        tlsocket.SSLContext(CLIENT).load_verify_locations(OTHER_FILE)
    assert (caught.value.library, caught.value.reason) == ("X509", "NO_CERTIFICATE_OR_CRL_FOUND")


def test_a_damaged_file_of_authorities_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for module in MODULES.values():
        with pytest.raises(ssl.SSLError, match=r"PEM (lib|routines)|nested asn1 error|not enough data"):
            module.SSLContext(CLIENT).load_verify_locations(tmp_path / "damaged.pem")
    with pytest.raises(ssl.SSLError, match=r"PEM lib.*damaged\.pem"):
        tlsocket.SSLContext(CLIENT).load_verify_locations(tmp_path / "damaged.pem")


def test_an_encrypted_key_needs_its_password(files: Files, tmp_path: Path, client: Any) -> None:
    issued = Authority.create().issue(["localhost"])
    certificate, key = issued.write(tmp_path, "encrypted", password="open sesame")
    context = tlsocket.SSLContext(SERVER)
    with pytest.raises(ssl.SSLError, match=r"encrypted\.key.*password"):
        context.load_cert_chain(certificate, key)
    with pytest.raises(ssl.SSLError, match=r"encrypted\.key.*password"):
        context.load_cert_chain(certificate, key, password="wrong")
    for password in ("open sesame", b"open sesame", bytearray(b"open sesame"), lambda: "open sesame"):
        context.load_cert_chain(certificate, key, password=password)


@pytest.mark.parametrize(
    "password", [5, "x" * 1025, lambda: 5, lambda: "x" * 1025, pytest.param(lambda: 1 / 0, id="raises")]
)
def test_wrong_kinds_of_password_raise_what_ssl_raises(files: Files, tmp_path: Path, password: Any) -> None:
    certificate, key = Authority.create().issue(["localhost"]).write(tmp_path, "encrypted", password="open sesame")
    ours, theirs = both(lambda module: module.SSLContext(SERVER).load_cert_chain(certificate, key, password))
    assert type(ours) is type(theirs)
    assert str(ours) == str(theirs)


def test_a_second_certificate_of_one_kind_and_name_replaces_the_first(files: Files, client: Any, server: Any) -> None:
    authority = Authority.create()
    rsa, other = authority.issue(["rsa.test"], key="rsa-2048"), authority.issue(["localhost", "other.test"])
    server.load_cert_chain(rsa.chain_pem, rsa.key_pem())
    server.load_cert_chain(other.chain_pem, other.key_pem())
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with connected(client, server) as (near, _):
        assert near.getpeercert(True) == other.der
        assert near.getpeercert() == {}


# Trust


def test_trust_comes_from_files_folders_text_and_bytes(files: Files, tmp_path: Path, server: Any) -> None:
    pem = Path(files.authority).read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    (tmp_path / "authority.crt").write_text(pem)
    for arguments in (
        {"cafile": files.authority},
        {"cafile": Path(files.authority)},
        {"capath": tmp_path},
        {"cadata": pem},
        {"cadata": der},
        {"cadata": bytearray(der)},
        {"cadata": pem.encode()},
    ):
        context = tlsocket.SSLContext(CLIENT)
        context.load_verify_locations(**arguments)
        assert context.get_ca_certs(binary_form=True) == [der]
        assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}
        with connected(context, server) as (near, _):
            assert near.get_verified_chain()[-1] == der


def test_get_ca_certs_returns_what_ssl_returns(files: Files) -> None:
    results = []
    for module in MODULES.values():
        context = module.SSLContext(CLIENT)
        context.load_verify_locations(files.authority)
        context.load_verify_locations(files.certificate)
        results.append((context.get_ca_certs(), context.get_ca_certs(True), context.cert_store_stats()))
    assert results[0] == results[1]


def test_a_folder_that_does_not_exist_is_accepted_as_in_ssl(module: Any) -> None:
    module.SSLContext(CLIENT).load_verify_locations(capath="/nonexistent")


def test_default_certificates_are_those_that_the_environment_names(
    files: Files, monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.authority)
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    context = tlsocket.create_default_context()
    assert len(context.get_ca_certs()) == 1
    with connected(context, server) as (near, _):
        assert near.version() == "TLSv1.3"


def test_create_default_context_sets_what_ssl_sets(files: Files) -> None:
    for purpose in ssl.Purpose:
        ours, theirs = (module.create_default_context(purpose, cafile=files.authority) for module in MODULES.values())
        for attribute in ("protocol", "verify_mode", "check_hostname", "verify_flags", "keylog_filename"):
            assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_create_unverified_context_verifies_nothing(server: Any) -> None:
    context = tlsocket._create_unverified_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    with connected(context, server) as (near, _):
        assert near.getpeercert() == {}
    with pytest.raises(ValueError, match="certfile must be specified"):
        tlsocket._create_unverified_context(keyfile="x")
    checked = tlsocket._create_unverified_context(cert_reqs=ssl.CERT_REQUIRED, check_hostname=True)
    assert checked.check_hostname


def test_get_server_certificate_returns_pem(files: Files, server: Any) -> None:
    from tests.dropin.support import Background

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def serve() -> None:
            for _ in range(2):
                raw, _ = listener.accept()
                server.wrap_socket(raw, server_side=True).close()

        background = Background(serve)
        pem = tlsocket.get_server_certificate(address)
        assert pem == tlsocket.get_server_certificate(("localhost", address[1]), ca_certs=files.authority, timeout=10)
        background.result()
    assert pem == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(Path(files.certificate).read_text()))


# Snapshots, key log, callbacks, statistics


def test_a_connection_keeps_the_settings_it_began_with(client: Any, server: Any) -> None:
    client.set_alpn_protocols(["one"])
    server.set_alpn_protocols(["two", "one"])
    assert client._client_config() is client._client_config()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    before = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
    client.set_alpn_protocols(["two"])
    with connected(client, server) as (near, far):
        assert near.selected_alpn_protocol() == far.selected_alpn_protocol() == "two"
    with pytest.raises(ssl.SSLWantReadError):
        before.do_handshake()
    assert b"\x03one" in outgoing.read()


def test_alpn_without_a_common_protocol_goes_on_without_one(module: Any, files: Files, server: Any) -> None:
    from tests.dropin.support import client_context

    client = client_context(module, files)
    client.set_alpn_protocols(["a"])
    server.set_alpn_protocols(["b"])
    with connected(client, server) as (near, far):
        assert near.selected_alpn_protocol() is far.selected_alpn_protocol() is None


def test_the_key_log_is_written_for_its_owner_only(files: Files, tmp_path: Path, client: Any, server: Any) -> None:
    path = tmp_path / "keys.log"
    client.keylog_filename = path
    assert client.keylog_filename == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 1
    with connected(client, server):
        pass
    lines = path.read_text().splitlines()[1:]
    assert sorted(line.split()[0] for line in lines) == [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "EXPORTER_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0",
    ]  # fmt: skip
    client.keylog_filename = None
    assert client.keylog_filename is None
    with connected(client, server):
        pass
    assert len(path.read_text().splitlines()) == 6


def test_the_key_log_variable_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    assert tlsocket.create_default_context(cafile=files.authority).keylog_filename == str(tmp_path / "keys.log")


def test_sessions_are_counted(client: Any, server: Any) -> None:
    with connected(client, server):
        pass
    assert (client.session_stats()["connect"], client.session_stats()["connect_good"]) == (1, 1)
    assert (server.session_stats()["accept"], server.session_stats()["accept_good"]) == (1, 1)


def test_a_context_is_freed_without_the_collector(files: Files) -> None:
    context = tlsocket.create_default_context(cafile=files.authority)
    context.keylog_filename = str(files.folder / "freed.log")
    reference = weakref.ref(context)
    gc.disable()
    try:
        del context
        assert reference() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("module_of_client", ["ours", "stdlib"])
def test_sni_callback_chooses_the_context(module_of_client: str, files: Files, server: Any) -> None:
    from tests.dropin.support import client_context

    authority = Authority.create()
    issued = authority.issue(["other.test"])
    other = tlsocket.SSLContext(SERVER)
    other.load_cert_chain(issued.chain_pem, issued.key_pem())
    seen = []

    def choose(sock: Any, name: str | None, context: Any) -> None:
        seen.append((name, context is server, isinstance(sock, ssl.SSLSocket)))
        if name == "other.test":
            sock.context = other

    server.sni_callback = choose
    assert server.sni_callback is choose
    client = client_context(MODULES[module_of_client], files)
    with connected(client, server) as (near, far):
        assert near.getpeercert(True) != issued.der
        assert far.context is server
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    from tests.dropin.support import Background, tcp_pair

    near_raw, far_raw = tcp_pair()
    background = Background(lambda: server.wrap_socket(far_raw, server_side=True))
    with client.wrap_socket(near_raw, server_hostname="other.test") as near:
        assert near.getpeercert(True) == issued.der
        with background.result() as far:
            assert far.context is other
    near_raw, far_raw = tcp_pair()
    background = Background(lambda: server.wrap_socket(far_raw, server_side=True))
    with client.wrap_socket(near_raw), background.result():
        pass
    assert seen == [("localhost", True, True), ("other.test", True, True), (None, True, True)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ssl.ALERT_DESCRIPTION_ACCESS_DENIED, "TLSV1_ALERT_ACCESS_DENIED"),
        (ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, "TLSV1_UNRECOGNIZED_NAME"),
        ("text", "TLSV1_ALERT_INTERNAL_ERROR"),
        (ZeroDivisionError("in the callback"), "SSLV3_ALERT_HANDSHAKE_FAILURE"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sni_callback_refuses(answer: Any, reason: str, peer_module: Any, files: Files, client: Any) -> None:
    def refuse(sock: Any, name: str | None, context: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = server_context(peer_module, files)
    server.set_servername_callback(refuse)
    near, far = tcp_pair()
    with near:
        background = Background(lambda: server.wrap_socket(far, server_side=True))
        with pytest.raises(ssl.SSLError) as caught:
            client.wrap_socket(near, server_hostname="localhost")
        assert caught.value.reason == reason
        error = background.error()
        assert isinstance(error, ssl.SSLError)
        assert error.reason == "CALLBACK_FAILED"


HOOKS = {
    "the interpreter's": sys.__unraisablehook__,
    "one that passes on": lambda unraisable: sys.__unraisablehook__(unraisable),
    "one that fails": lambda unraisable: 1 // 0,
}


@pytest.mark.parametrize("hook", HOOKS)
def test_sni_callback_that_raises_is_shown_and_is_no_other_error(
    hook: str,
    module: Any,
    files: Files,
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def choose(sock: Any, name: str, context: Any) -> None:
        raise ZeroDivisionError("the callback's own")

    server = server_context(module, files)
    server.sni_callback = choose
    near, far = tcp_pair()
    with monkeypatch.context() as patched, near, far:
        patched.setattr(sys, "unraisablehook", HOOKS[hook])
        background = Background(lambda: server.wrap_socket(far, server_side=True))
        refused = failure(lambda: client.wrap_socket(near, server_hostname="localhost"))
        error = background.error()
    assert isinstance(refused, ssl.SSLError)
    assert refused.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert isinstance(error, ssl.SSLError)
    assert error.reason == "CALLBACK_FAILED"
    if hook != "one that fails":
        shown = capsys.readouterr().err
        assert "Exception ignored in" in shown
        assert "ZeroDivisionError: the callback's own" in shown


def test_the_stricter_client_authentication_wins_when_sni_chooses(files: Files, client: Any, server: Any) -> None:
    strict = tlsocket.SSLContext(SERVER)
    strict.load_cert_chain(files.certificate, files.key)
    strict.load_verify_locations(files.authority)
    strict.verify_mode = ssl.CERT_REQUIRED
    server.sni_callback = lambda sock, name, context: setattr(sock, "context", strict)
    from tests.dropin.support import Background, tcp_pair

    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with client.wrap_socket(near, server_hostname="localhost"):
        error = background.error()
    assert isinstance(error, ssl.SSLError)
    assert error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


@pytest.mark.parametrize("option", ["OP_NO_TLSv1", "OP_NO_TLSv1_1", "OP_NO_TLSv1_2", "OP_NO_TLSv1_3"])
def test_options_that_switch_versions_off_warn_once(module: Any, option: str) -> None:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    with pytest.warns(DeprecationWarning, match=r"^ssl\.OP_NO_SSL\*/ssl\.OP_NO_TLS\* options are deprecated$"):
        context.options |= getattr(module, option)
    context.options |= getattr(module, option)  # it is there already
    context.options &= ~getattr(module, option)


def test_minimum_below_tls_1_2_warns_in_the_words_of_ssl(module: Any) -> None:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    with pytest.warns(DeprecationWarning, match=r"^ssl\.TLSVersion\.TLSv1_1 is deprecated$"):
        context.minimum_version = module.TLSVersion.TLSv1_1
