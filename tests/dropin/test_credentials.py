"""Which certificate is shown: by name, kind of key and authority, by callbacks; and keys that are kept elsewhere."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import tlsocket
from tests.dropin.support import Background, Files, connected, failure, server_context, tcp_pair
from tlsocket.dropin.credentials import load_credential
from tlsocket.pki.authority import Authority

SERVER, CLIENT = tlsocket.PROTOCOL_TLS_SERVER, tlsocket.PROTOCOL_TLS_CLIENT


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("credentials authority")


def trusting(authority: Authority) -> Any:
    """A client's context."""
    context = tlsocket.SSLContext(CLIENT)
    context.load_verify_locations(cadata=authority.pem.decode("ascii"))
    return context


def shown(client: Any, server: Any, name: str | None) -> bytes:
    """The certificate that a client gets that asks for `name`."""
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with client.wrap_socket(near, server_hostname=name) as sock, background.result():
        der = sock.getpeercert(True)
        assert isinstance(der, bytes)
        return der


def test_the_name_that_is_asked_for_chooses(authority: Authority) -> None:
    first = authority.issue(["a.test", "b.test"])
    second = authority.issue(["c.test", "*.wild.test"])
    server = tlsocket.SSLContext(SERVER)
    for issued in (first, second):
        server.load_cert_chain(issued.chain_pem, issued.key_pem())
    client = trusting(authority)
    for name in ("a.test", "b.test", "B.TEST"):
        assert shown(client, server, name) == first.der
    for name in ("c.test", "x.wild.test"):
        assert shown(client, server, name) == second.der
    client.check_hostname = False
    for other in (None, "unknown.test", "wild.test", "y.x.wild.test"):
        assert shown(client, server, other) == second.der  # the last loaded


def test_a_name_wins_over_the_kind_of_key(authority: Authority) -> None:
    ecdsa, rsa = authority.issue(["a.test"]), authority.issue(["b.test"], key="rsa-2048")
    server = tlsocket.SSLContext(SERVER)
    for issued in (ecdsa, rsa):
        server.load_cert_chain(issued.chain_pem, issued.key_pem())
    client = trusting(authority)
    assert shown(client, server, "b.test") == rsa.der
    client.check_hostname = False
    assert shown(client, server, None) == ecdsa.der
    client.set_server_sigalgs("rsa_pss_rsae_sha256:ECDSA+SHA384:RSA+SHA256")
    assert shown(client, server, "a.test") == rsa.der  # the other's key cannot do it


def test_a_renewed_certificate_takes_the_place_of_the_old_one(authority: Authority) -> None:
    server = tlsocket.SSLContext(SERVER)
    old, new = authority.issue(["a.test", "b.test"]), authority.issue(["b.test", "c.test"])
    for issued in (old, new):
        server.load_cert_chain(issued.chain_pem, issued.key_pem())
    client = trusting(authority)
    client.check_hostname = False
    assert {shown(client, server, name) for name in ("a.test", "b.test", "c.test", None)} == {new.der}


@pytest.mark.parametrize("named", [True, False])
def test_a_server_names_the_authorities_it_trusts(named: bool, files: Files, server: Any, client: Any) -> None:
    others = Authority.create("another authority").issue(["someone"], purpose="client")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(files.authority)
    server.send_client_authorities = named
    client.load_cert_chain(files.client_certificate, files.client_key)
    client.load_cert_chain(others.chain_pem, others.key_pem())
    if not named:
        # Nothing tells the client, and the last loaded is its choice.
        near, far = tcp_pair()
        background = Background(lambda: server.wrap_socket(far, server_side=True))
        with client.wrap_socket(near, server_hostname="localhost"):
            assert isinstance(background.error(), ssl.SSLCertVerificationError)
        return
    with connected(client, server) as (_, far):
        assert far.getpeercert(True) == ssl.PEM_cert_to_DER_cert(Path(files.client_certificate).read_text())


def test_the_platforms_authorities_are_not_named(files: Files) -> None:
    server = server_context(tlsocket, files)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(files.authority)
    assert len(server._server_config().certificate_authorities) == 1
    server.load_default_certs(tlsocket.Purpose.CLIENT_AUTH)
    assert server._server_config().certificate_authorities == ()


# Keys kept elsewhere


class Elsewhere:
    """A signer: what a token or an agent would be behind."""

    def __init__(self, key: Any, *, failure: Exception | None = None, forge: bytes | None = None) -> None:
        self.key, self.failure, self.forge = key, failure, forge
        self.asked: list[int] = []

    def public_key(self) -> Any:
        return self.key.public_key()

    def sign(self, scheme: int, data: bytes) -> bytes:
        self.asked.append(scheme)
        if self.failure is not None:
            raise self.failure
        signature: bytes = self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        return signature if self.forge is None else self.forge


def signer(authority: Authority, **how: Any) -> tuple[Any, Elsewhere]:
    issued = authority.issue(["localhost"])
    return issued, Elsewhere(issued.private_key, **how)


def test_a_key_kept_elsewhere_signs(authority: Authority) -> None:
    issued, key = signer(authority)
    server = tlsocket.SSLContext(SERVER)
    server.load_cert_chain(issued.chain_pem, key)
    assert shown(trusting(authority), server, "localhost") == issued.der
    assert key.asked == [0x0403]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"failure": ConnectionError("the token is gone")}, ConnectionError),
        ({"forge": b"nonsense"}, ssl.SSLError),
        ({"forge": "text"}, ssl.SSLError),
    ],
)
def test_a_signer_that_fails_ends_the_handshake(authority: Authority, how: Any, expected: type) -> None:
    issued, key = signer(authority, **how)
    server = tlsocket.SSLContext(SERVER)
    server.load_cert_chain(issued.chain_pem, key)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near:
        with pytest.raises(ssl.SSLError, match="internal error"):
            trusting(authority).wrap_socket(near, server_hostname="localhost")
        assert isinstance(background.error(), expected)


def test_a_signer_of_another_certificate_is_refused(authority: Authority) -> None:
    issued, _ = signer(authority)
    _, other = signer(authority)
    with pytest.raises(ssl.SSLError) as caught:
        tlsocket.SSLContext(SERVER).load_cert_chain(issued.chain_pem, other)
    assert caught.value.reason == "KEY_VALUES_MISMATCH"


# Callbacks


def test_client_hello_callback_sees_the_offer_and_chooses(files: Files, client: Any, server: Any) -> None:
    seen: list[Any] = []
    issued = Authority.create().issue(["localhost"])
    other = tlsocket.SSLContext(SERVER)
    other.load_cert_chain(issued.chain_pem, issued.key_pem())

    def choose(sock: Any, hello: Any) -> None:
        seen.append((hello, sock))
        sock.context = other

    server.client_hello_callback = choose
    assert server.client_hello_callback is choose
    client.set_alpn_protocols(["h2", "http/1.1"])
    client.verify_mode, client.check_hostname = ssl.CERT_REQUIRED, False
    client.verify_mode = ssl.CERT_NONE
    with connected(client, server) as (near, far):
        assert near.getpeercert(True) == issued.der
        assert far.context is other
    [(hello, sock)] = seen
    assert isinstance(sock, ssl.SSLSocket)
    assert (hello.server_name, hello.alpn_protocols) == ("localhost", ["h2", "http/1.1"])
    assert "TLS 1.3" in hello.versions
    assert "TLS_AES_128_GCM_SHA256" in hello.cipher_suites
    assert hello.groups[0] == "X25519MLKEM768"
    assert hello.key_share_groups == ["X25519MLKEM768", "x25519"]
    assert "ecdsa_secp256r1_sha256" in hello.signature_algorithms
    assert hello.certificate_authorities == []
    assert 51 in hello.extensions
    assert "localhost" in repr(hello)


@pytest.mark.parametrize(
    ("answer", "reason"), [(ssl.ALERT_DESCRIPTION_ACCESS_DENIED, "TLSV1_ALERT_ACCESS_DENIED"), (None, None)]
)
def test_client_hello_callback_refuses(files: Files, client: Any, server: Any, answer: Any, reason: str | None) -> None:
    server.client_hello_callback = lambda sock, hello: answer
    calls: list[str] = []
    server.sni_callback = lambda sock, name, context: calls.append(name)
    if reason is None:
        with connected(client, server):
            assert calls == ["localhost"]
        return
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    with near:
        with pytest.raises(ssl.SSLError) as caught:
            client.wrap_socket(near, server_hostname="localhost")
        assert caught.value.reason == reason
        assert isinstance(background.error(), ssl.SSLError)
    assert calls == []


@pytest.mark.parametrize("which", ["client_hello_callback", "client_certificate_callback"])
def test_what_a_callback_raises_reaches_the_caller(which: str, files: Files, client: Any, server: Any) -> None:
    def explode(*arguments: Any) -> None:
        raise ZeroDivisionError("in the callback")

    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(files.authority)
    setattr(server if which == "client_hello_callback" else client, which, explode)
    near, far = tcp_pair()
    background = Background(lambda: server.wrap_socket(far, server_side=True))
    ours = failure(lambda: client.wrap_socket(near, server_hostname="localhost"))
    theirs = background.error()
    near.close()
    if which == "client_hello_callback":
        ours, theirs = theirs, ours  # type: ignore[assignment]
    assert isinstance(ours, ZeroDivisionError)
    assert isinstance(theirs, ssl.SSLError)
    assert "handshake failure" in str(theirs)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("form", ["tuple", "nothing", "credential"])
def test_client_certificate_callback(late: bool, form: str, files: Files, client: Any, server: Any) -> None:
    seen: list[Any] = []

    def choose(sock: Any, request: Any) -> Any:
        seen.append((sock, request))
        if form == "nothing":
            return None
        pair = files.client_certificate, files.client_key
        return pair if form == "tuple" else load_credential(*pair)

    client.client_certificate_callback = choose
    assert client.client_certificate_callback is choose
    client.post_handshake_auth = server.post_handshake_auth = late
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_OPTIONAL
    with connected(client, server) as (near, far):
        if late:
            assert seen == []
            far.verify_client_post_handshake()
        for _ in range(2):
            far.sendall(b"!")
            assert near.recv(1) == b"!"
            near.sendall(b"?")
            assert far.recv(1) == b"?"
        assert (far.getpeercert() is not None) == (form != "nothing")
    [(sock, request)] = seen
    assert isinstance(sock, ssl.SSLSocket)
    assert request.server_name == "localhost"
    assert len(request.certificate_authorities) == 1
    assert 0x0403 in request.signature_schemes


def test_late_client_certificate_callback_over_memory(files: Files, client: Any, server: Any) -> None:
    client.client_certificate_callback = lambda end, request: (files.client_certificate, files.client_key)
    client.post_handshake_auth = server.post_handshake_auth = True
    server.load_verify_locations(files.authority)
    server.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    far.verify_client_post_handshake()
    far.write(b"!")
    assert near.read(1) == b"!"
    near.write(b"?")
    assert far.read(1) == b"?"
    assert far.getpeercert() is not None


@pytest.mark.parametrize(
    ("protocol", "name"), [(CLIENT, "client_hello_callback"), (SERVER, "client_certificate_callback")]
)
def test_callbacks_belong_to_one_side(protocol: Any, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        setattr(tlsocket.SSLContext(protocol), name, print)
    right = tlsocket.SSLContext(SERVER if protocol == CLIENT else CLIENT)
    with pytest.raises(TypeError, match="callable"):
        setattr(right, name, 5)
    setattr(right, name, None)
