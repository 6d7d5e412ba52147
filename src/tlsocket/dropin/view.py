"""What a program may ask a connection about, alike for `SSLSocket` and `SSLObject`.

Answers before the handshake are those of `ssl`: mostly None. The channel bindings are RFC 9266 (`tls-exporter`) and
RFC 5929 section 4 (`tls-server-end-point`). The decisions that are left to programs (`sni_callback`,
`client_hello_callback`, `client_certificate_callback`) are answered here too. Not here: anything that moves bytes
(`sslsocket`, `sslobject`).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tlsocket.config import Credential, Role, ServerConfig
from tlsocket.connection import Connection
from tlsocket.crypto.certificates import parse_certificate
from tlsocket.crypto.suites import TLS12_SUITES, TLS13_SUITES, CipherSuite
from tlsocket.dropin.client_hello import ClientHelloInfo
from tlsocket.dropin.credentials import load_credential
from tlsocket.dropin.enums import CHANNEL_BINDING_TYPES
from tlsocket.dropin.exceptions import show_unraisable, translate
from tlsocket.dropin.session import SSLSession, check_session
from tlsocket.dropin.versions import version_name
from tlsocket.errors import ApiMisuse, ApplicationRefusal, TLSError
from tlsocket.events import Negotiated
from tlsocket.handshake.decisions import CertificateDecision
from tlsocket.registry import describe
from tlsocket.registry.alerts import AlertDescription
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.signature_schemes import SignatureScheme
from tlsocket.registry.versions import ProtocolVersion

if TYPE_CHECKING:
    from tlsocket.dropin.context import SSLContext
    from tlsocket.dropin.private import Inner

__all__ = ["ConnectionView"]

_BINDING_LABEL = b"EXPORTER-Channel-Binding"
_BINDING_LENGTH = 32


class ConnectionView:
    """Questions about `_conn`, which is None before a connection and after `unwrap` or `close`."""

    if TYPE_CHECKING:
        _context: SSLContext
        _session: SSLSession | None

        @property
        def _conn(self) -> Connection | None: ...

        @property
        def server_side(self) -> bool: ...

        def _push(self, conn: Connection) -> None:
            """Let out what was queued, if that needs no waiting."""

    else:
        __slots__ = ()

    # The configuration

    @property
    def context(self) -> SSLContext:
        """The context in use. An `sni_callback` sets it to choose another certificate for the server's answer."""
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        from tlsocket.dropin.context import SSLContext

        if SSLContext not in type(context).__mro__:  # one of the standard library's passes `isinstance`
            raise TypeError("The value must be a SSLContext")
        self._context = context

    @property
    def session(self) -> SSLSession | None:
        """The session, to be given to a later connection; None before there is one, and without a connection.

        A client's can be resumed once a ticket has come, which in TLS 1.3 is behind the handshake: with the first data
        that is read, as a rule; in TLS 1.2 it is there with the handshake. Setting it, before the handshake, resumes a
        session.
        """
        conn = self._conn
        if conn is None:
            return None
        if conn.negotiated is None:
            return self._session
        tickets = conn.tickets
        return SSLSession._create(tickets[-1] if tickets else None, self._context)

    @session.setter
    def session(self, session: object) -> None:
        checked = check_session(session, self._context)
        if self.server_side and checked is not None:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        conn = self._conn
        if conn is not None and conn.negotiated is not None:
            if checked is None:
                return  # there is nothing to be taken back any more
            raise ValueError("Cannot set session after handshake.")
        if conn is not None and not self.server_side:
            conn.use_session(None if checked is None else checked._session)
        self._session = checked

    @property
    def session_reused(self) -> bool | None:
        """Whether the handshake resumed a session, or (as `ssl` has it) in TLS 1.3 used a pre-shared key.

        None: no connection.
        """
        conn = self._conn
        if conn is None:
            return None
        negotiated = conn.negotiated
        if negotiated is None:
            return False
        with_key = negotiated.psk_identity is not None and negotiated.version == ProtocolVersion.TLS_1_3
        return negotiated.resumed or with_key

    @property
    def _sslobj(self) -> Inner | None:
        """Programs look here to see whether TLS is active, and some ask it what the socket does not tell."""
        if self._conn is None:
            return None
        from tlsocket.dropin.private import Inner

        return Inner(self)

    # What was negotiated

    def version(self) -> str | None:
        """The protocol version, "TLSv1.3" or "TLSv1.2", or None before the handshake."""
        conn = self._conn
        return None if conn is None or conn.negotiated is None else version_name(conn.negotiated.version)

    def cipher(self) -> tuple[str, str, int] | None:
        """The cipher suite as (name, version, secret bits), or None before the handshake."""
        conn = self._conn
        return None if conn is None or conn.negotiated is None else _cipher_tuple(conn.negotiated.cipher_suite)

    def group(self) -> str | None:
        """The key exchange group, such as "X25519MLKEM768", or None before the handshake.

        None too where TLS 1.2 resumed a session, since nothing was exchanged.
        """
        conn = self._conn
        if conn is None or conn.negotiated is None or not conn.negotiated.group:
            return None
        return describe(NamedGroup, conn.negotiated.group)

    def client_sigalg(self) -> str | None:
        """The signature algorithm that the client authenticated with, or None where it did not."""
        return self._scheme_of(Role.CLIENT)

    def server_sigalg(self) -> str | None:
        """The signature algorithm that the server authenticated with, or None where it did not."""
        return self._scheme_of(Role.SERVER)

    def _scheme_of(self, role: Role) -> str | None:
        conn = self._conn
        if conn is None or conn.negotiated is None:
            return None
        negotiated = conn.negotiated
        scheme = negotiated.own_signature_scheme if conn.role is role else negotiated.signature_scheme
        return None if scheme is None else describe(SignatureScheme, scheme)

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """On a server, our cipher suites that the client offered too, in the client's order; None on a client."""
        conn = self._conn
        if conn is None or conn.negotiated is None or conn.role is Role.CLIENT:
            return None
        suites = {**TLS13_SUITES, **TLS12_SUITES}
        return [_cipher_tuple(suites[code]) for code in conn.negotiated.common_cipher_suites]

    def compression(self) -> None:
        """None: TLS compression is unsafe and was removed from the protocol (RFC 9846 section 4.2.2)."""
        return None

    def selected_alpn_protocol(self) -> str | None:
        """The application protocol agreed on (RFC 7301), or None."""
        conn = self._conn
        if conn is None or conn.negotiated is None or conn.negotiated.alpn is None:
            return None
        return conn.negotiated.alpn.decode("utf-8")

    def selected_npn_protocol(self) -> None:
        """None: NPN never became a standard; use ALPN."""
        warnings.warn("ssl NPN is deprecated, use ALPN instead", DeprecationWarning, stacklevel=2)

    # The peer

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate: a dictionary, or DER with `binary_form`.

        None when it sent none; an empty dictionary when it sent one that was not verified.
        """
        conn = self._conn
        if conn is None or conn.negotiated is None:
            raise ValueError("handshake not done yet")
        if not conn.peer_certificates:
            return None
        if binary_form:
            return conn.peer_certificates[0]
        if not conn.verified_path:
            return {}
        from tlsocket.pki.certificates import certificate_dict

        return certificate_dict(parse_certificate(conn.peer_certificates[0]))

    def get_verified_chain(self) -> list[bytes]:
        """DER of the verified path, leaf first, trust anchor last; without verification, what the peer sent."""
        conn = self._conn
        return [] if conn is None else list(conn.verified_path or conn.peer_certificates)

    def get_unverified_chain(self) -> list[bytes]:
        """DER of the certificates as the peer sent them."""
        conn = self._conn
        return [] if conn is None else list(conn.peer_certificates)

    def verify_client_post_handshake(self) -> None:
        """As a server, ask the client for a certificate now (RFC 9846 section 4.7.2).

        The request goes out with this call, if that needs no waiting, else with the next. The response comes with what
        is read later: `getpeercert` has it then, and a client without a certificate that is required makes a read fail.
        """
        conn = self._conn
        if conn is None:
            raise ValueError("No SSL wrapper around " + str(self))
        try:
            conn.request_certificate()
        except TLSError as error:
            raise translate(error) from error
        self._push(conn)

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change the sending key, and ask the peer to change its own (RFC 9846 section 4.7.3; not in `ssl`).

        Keys change by themselves before they wear out: this is for programs that want it sooner.
        """
        conn = self._conn
        if conn is None:
            raise ValueError("No SSL wrapper around " + str(self))
        try:
            conn.update_keys(request_peer=request_peer)
        except TLSError as error:
            raise translate(error) from error
        self._push(conn)

    # Keying material

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Channel binding data, or None where there is none.

        `tls-unique`, the default of `ssl`, is not defined for TLS 1.3 (RFC 9266 section 3) and gives None;
        `tls-exporter` takes its place. In TLS 1.2 both need the extended main secret (RFC 7627): without it
        `tls-unique` is None and `tls-exporter` a ValueError.
        """
        conn = self._conn
        if conn is not None and not isinstance(cb_type, str):
            raise TypeError(f"get_channel_binding() argument 'cb_type' must be str, not {type(cb_type).__name__}")
        if cb_type not in CHANNEL_BINDING_TYPES:
            # `ssl` quotes the name where there is a connection.
            name = cb_type if conn is None else repr(cb_type)
            raise ValueError(f"{name} channel binding type not implemented")
        if conn is None or conn.negotiated is None:
            return None
        if cb_type == "tls-exporter":
            return self._export(conn, _BINDING_LABEL, b"", _BINDING_LENGTH)
        if cb_type == "tls-server-end-point":
            return _server_end_point(conn, conn.negotiated)
        return conn.tls_unique

    def export_keying_material(self, label: str | bytes, length: int, context: bytes | None = None) -> bytes:
        """Keys for another protocol, bound to this connection (RFC 9846 section 7.5, RFC 5705)."""
        conn = self._conn
        if conn is None or conn.negotiated is None:
            raise ValueError("handshake not done yet")
        name = label.encode("ascii") if isinstance(label, str) else label
        try:
            return conn.export_keying_material(name, context, length)
        except ApiMisuse as error:
            raise ValueError(error.detail) from None

    # Inside

    @staticmethod
    def _export(conn: Connection, label: bytes, context: bytes | None, length: int) -> bytes:
        try:
            return conn.export_keying_material(label, context, length)
        except ApiMisuse as error:
            raise ValueError(error.detail) from None

    def _decide(self, conn: Connection) -> None:
        """Answer the decision that the connection waits for, by the context's callbacks."""
        decision = conn.suspended
        answer: object = None
        if isinstance(decision, CertificateDecision):
            try:
                if decision.role is Role.CLIENT:
                    answer = self._choose_certificate(decision)
                else:
                    answer = self._choose_context(conn, decision)
            except BaseException:
                # Of the application's own callbacks: the peer is refused, and the caller gets what was raised.
                conn.on_failure(ApplicationRefusal(AlertDescription.HANDSHAKE_FAILURE, "a callback raised"))
                raise
        conn.resume(answer)

    def _choose_certificate(self, request: CertificateDecision) -> object:
        callback = self._context.client_certificate_callback
        chosen = None if callback is None else callback(self, request)
        if chosen is None or isinstance(chosen, Credential):
            return chosen
        return load_credential(*chosen) if isinstance(chosen, tuple) else load_credential(chosen)

    def _choose_context(self, conn: Connection, decision: CertificateDecision) -> object:
        context = self._context
        if context.client_hello_callback is not None and decision.client_hello is not None:
            alert = context.client_hello_callback(self, ClientHelloInfo(decision.client_hello))
            if alert is not None:
                return ApplicationRefusal(int(alert) & 0xFF, "client_hello_callback refused the client")
        if context.sni_callback is not None:
            refusal = self._ask_sni_callback(context.sni_callback, decision.server_name, context)
            if refusal is not None:
                return refusal
        if self._context is not context and isinstance(conn.config, ServerConfig):
            return self._context._server_config_after(conn.config)
        return None

    def _ask_sni_callback(self, callback: Any, server_name: str | None, context: SSLContext) -> object:
        """None to go on, or the exception that refuses."""
        try:
            result = callback(self, server_name, context)
        except Exception as error:
            # As in `ssl`: the exception cannot reach a caller of the callback, so it is shown and the client refused.
            show_unraisable(error, callback, "sni_callback")
            return ApplicationRefusal(AlertDescription.HANDSHAKE_FAILURE, "sni_callback raised an exception")
        if result is None:
            return None
        if not isinstance(result, int):
            mistake = TypeError(f"sni_callback returned {type(result).__name__}, not None or an int")
            show_unraisable(mistake, callback, "sni_callback")
            return ApplicationRefusal(AlertDescription.INTERNAL_ERROR, "sni_callback returned no alert")
        return ApplicationRefusal(int(result) & 0xFF, "sni_callback refused the client")


def _cipher_tuple(suite: CipherSuite) -> tuple[str, str, int]:
    return (suite.openssl_name, "TLSv1.2" if suite.code in TLS12_SUITES else "TLSv1.3", suite.bits)


def _server_end_point(conn: Connection, negotiated: Negotiated) -> bytes | None:
    """RFC 5929 section 4.1: the server certificate's hash, MD5 and SHA-1 replaced by SHA-256."""
    from hashlib import new, sha256

    certificates = conn.peer_certificates if conn.role is Role.CLIENT else negotiated.own_certificates
    if not certificates:
        return None
    der = certificates[0]
    algorithm = parse_certificate(der).signature_hash_algorithm
    if algorithm is None:
        return None  # Ed25519 has no hash of its own: "undefined at this time", says RFC 5929
    return sha256(der).digest() if algorithm.name in ("md5", "sha1") else new(algorithm.name, der).digest()
