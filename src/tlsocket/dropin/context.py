"""`SSLContext`: what a program configures, in the words of `ssl`, and the snapshots that connections get.

Each connection takes an immutable `ClientConfig` or `ServerConfig` when it is made. The snapshot is kept until a
setting changes: connections of one context share it, and no change reaches one that exists. Names, defaults and errors
are those of the standard library unless RFC 9846 or a law of the design forbids: only TLS 1.3 is spoken so far.
Not here: sockets (`sslsocket`), memory BIOs (`sslobject`), whom to believe (`tlsocket.pki.trust`).
"""

from __future__ import annotations

import operator
import os
import ssl as _stdlib
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from socket import socket
from typing import TYPE_CHECKING, Any, NoReturn

from tlsocket.config import (
    MAXIMUM_TICKETS,
    ClientAuthentication,
    ClientConfig,
    Credential,
    DecisionKind,
    ServerConfig,
)
from tlsocket.connection import Connection
from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.signatures import CERTIFICATE_SCHEMES, DEFAULT_SIGNATURE_SCHEMES
from tlsocket.crypto.suites import DEFAULT_TLS13_SUITES
from tlsocket.dropin import ciphers as _ciphers
from tlsocket.dropin import preferences as _preferences
from tlsocket.dropin.credentials import CertificateSource, KeySource, PasswordSource, load_credential
from tlsocket.dropin.enums import (
    CERT_NONE,
    CERT_REQUIRED,
    OP_ALL,
    OP_CIPHER_SERVER_PREFERENCE,
    OP_ENABLE_MIDDLEBOX_COMPAT,
    OP_IGNORE_UNEXPECTED_EOF,
    OP_NO_COMPRESSION,
    OP_SINGLE_DH_USE,
    OP_SINGLE_ECDH_USE,
    PROTOCOL_TLS,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
    VERIFY_ALLOW_PROXY_CERTS,
    VERIFY_CRL_CHECK_CHAIN,
    VERIFY_X509_TRUSTED_FIRST,
    OP_NO_SSLv3,
    OP_NO_TLSv1_3,
    Options,
    Purpose,
    SSLMethod,
    TLSVersion,
    VerifyFlags,
    VerifyMode,
)
from tlsocket.dropin.exceptions import SSLError, ssl_error
from tlsocket.dropin.keylog import KeyLogFile
from tlsocket.dropin.resumption import ResumptionSettings, role_error
from tlsocket.dropin.session import SSLSession
from tlsocket.dropin.sslobject import MemoryBIO, SSLObject
from tlsocket.dropin.sslsocket import SSLSocket
from tlsocket.dropin.trust import TrustSettings
from tlsocket.dropin.verification import TrustVerifier

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

    from tlsocket.events import Event

__all__ = ["SSLContext"]

_DEFAULT_OPTIONS = (
    OP_ALL
    | OP_NO_SSLv3
    | OP_NO_COMPRESSION
    | OP_CIPHER_SERVER_PREFERENCE
    | OP_SINGLE_DH_USE
    | OP_SINGLE_ECDH_USE
    | OP_ENABLE_MIDDLEBOX_COMPAT
)
_ALL_SCHEMES = (*DEFAULT_SIGNATURE_SCHEMES, *CERTIFICATE_SCHEMES)
_AUTHENTICATION = {
    0: ClientAuthentication.NONE,
    1: ClientAuthentication.OPTIONAL,
    2: ClientAuthentication.REQUIRED,
}
_STRICTNESS = {authentication: strictness for strictness, authentication in _AUTHENTICATION.items()}
_ONLY_TLS_1_3 = "this version of tlsocket speaks TLS 1.3 only"


class SSLContext(ResumptionSettings):
    """Settings, certificates and trust for any number of connections."""

    sslsocket_class: type[SSLSocket] = SSLSocket
    sslobject_class: type[SSLObject] = SSLObject

    on_event: Callable[[Event], None] | None
    """Called with each of `tlsocket.events` as it happens, by every connection made from now on (not in `ssl`)."""

    _protocol: Any
    _check_hostname: bool
    _verify_mode: VerifyMode
    _verify_flags: VerifyFlags
    _options: Options
    _no_tls13: bool
    _minimum_version: TLSVersion
    _maximum_version: TLSVersion
    _cipher_suites: tuple[int, ...]
    _groups: tuple[int, ...]
    _key_shares: tuple[int, ...] | None
    _client_schemes: tuple[int, ...] | None
    _server_schemes: tuple[int, ...] | None
    _alpn: tuple[bytes, ...]
    _credentials: tuple[Credential, ...]
    _trust: TrustSettings
    _verifier: TrustVerifier | None
    _key_log: KeyLogFile | None
    _sni_callback: Callable[..., Any] | None
    _post_handshake_auth: bool
    _client_snapshot: ClientConfig | None
    _server_snapshot: ServerConfig | None

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:
        """A context for `PROTOCOL_TLS_CLIENT`, `PROTOCOL_TLS_SERVER`, or (deprecated) `PROTOCOL_TLS` for both."""
        method = _check_protocol(protocol)
        self = super().__new__(cls)
        self.on_event = None
        self._protocol = method
        is_client = method == PROTOCOL_TLS_CLIENT
        self._check_hostname = is_client
        self._verify_mode = CERT_REQUIRED if is_client else CERT_NONE
        self._verify_flags = VERIFY_X509_TRUSTED_FIRST
        self._options = Options(_DEFAULT_OPTIONS)
        self._no_tls13 = False
        self._minimum_version = TLSVersion.TLSv1_2
        self._maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self._cipher_suites = DEFAULT_TLS13_SUITES
        self._groups = SUPPORTED_GROUPS
        self._key_shares = None
        self._client_schemes = None
        self._server_schemes = None
        self._alpn = ()
        self._credentials = ()
        self._trust = TrustSettings()
        self._verifier = None
        self._key_log = None
        self._sni_callback = None
        self._post_handshake_auth = False
        self._init_resumption()
        self._client_snapshot = None
        self._server_snapshot = None
        return self

    if not TYPE_CHECKING:

        @property
        def __class__(self) -> type:
            """`ssl.SSLContext`: asyncio, uvloop and aiohttp test for it; `type()` tells the truth."""
            return _stdlib.SSLContext

    def __repr__(self) -> str:
        return f"<tlsocket.{type(self).__name__} {self._protocol.name} at {id(self):#x}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    # Making connections

    def wrap_socket(
        self,
        sock: socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: object = None,
    ) -> SSLSocket:
        """An `SSLSocket` that takes `sock`'s descriptor over; if it is connected, the handshake is performed."""
        return self.sslsocket_class._create(
            sock=sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            context=self,
            session=session,
        )

    def wrap_bio(
        self,
        incoming: MemoryBIO,
        outgoing: MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: object = None,
    ) -> SSLObject:
        """An `SSLObject` between two memory BIOs."""
        return self.sslobject_class._create(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=self._encode_hostname(server_hostname),
            session=session,
            context=self,
        )

    def _encode_hostname(self, hostname: str | bytes | None) -> str | None:
        if hostname is None:
            return None
        return hostname.encode("idna").decode("ascii") if isinstance(hostname, str) else hostname.decode("ascii")

    def _connection(
        self, server_side: bool, server_hostname: str | None, session: SSLSession | None = None
    ) -> Connection:
        """A new connection under the present settings."""
        self._check_role(server_side)
        if server_hostname is not None:
            if not server_hostname or server_hostname.startswith("."):
                raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
            if "\0" in server_hostname:
                raise TypeError("argument must be encoded string without null bytes, not str")
        if self._no_tls13:
            raise ssl_error("NO_PROTOCOLS_AVAILABLE", f"OP_NO_TLSv1_3 is set, and {_ONLY_TLS_1_3}")
        self._count("accept" if server_side else "connect")
        if server_side:
            return Connection(self._server_config(), on_event=self.on_event)
        resume = None if session is None else session._session
        return Connection(self._client_config(), server_name=server_hostname, session=resume, on_event=self.on_event)

    def _check_role(self, server_side: bool) -> None:
        if server_side and self._protocol == PROTOCOL_TLS_CLIENT:
            raise role_error("Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and self._protocol == PROTOCOL_TLS_SERVER:
            raise role_error("Cannot create a client socket with a PROTOCOL_TLS_SERVER context")

    # Snapshots

    def _changed(self) -> None:
        self._client_snapshot = None
        self._server_snapshot = None

    def _peer_verifier(self) -> TrustVerifier:
        anchors = self._trust.anchors()
        verifier = self._verifier
        if verifier is None or verifier.anchors is not anchors:
            verifier = self._verifier = TrustVerifier(anchors)
        return verifier

    def _client_config(self) -> ClientConfig:
        snapshot = self._client_snapshot
        if snapshot is None:
            snapshot = self._client_snapshot = ClientConfig(
                cipher_suites=self._cipher_suites,
                groups=self._groups,
                key_share_groups=self._key_shares,
                signature_schemes=self._server_schemes or _ALL_SCHEMES,
                signing_schemes=self._client_schemes,
                alpn_protocols=self._alpn,
                credentials=self._credentials,
                verifier=None if self._verify_mode == CERT_NONE else self._peer_verifier(),
                check_name=self._check_hostname,
                middlebox_compatibility=bool(self._options & OP_ENABLE_MIDDLEBOX_COMPAT),
                key_log=self._key_log,
                session_cache=self._client_sessions,
                offer_psks=self._offer_psks,
            )
        return snapshot

    def _server_config(self) -> ServerConfig:
        snapshot = self._server_snapshot
        if snapshot is None:
            suspend_for = {DecisionKind.CERTIFICATE} if self._sni_callback is not None else set()
            snapshot = self._server_snapshot = ServerConfig(
                cipher_suites=self._cipher_suites,
                groups=self._groups,
                signature_schemes=self._client_schemes or _ALL_SCHEMES,
                signing_schemes=self._server_schemes,
                alpn_protocols=self._alpn,
                # As OpenSSL's callback in `ssl` does: without a common protocol the connection goes on without one.
                alpn_strict=False,
                credentials=self._credentials,
                verifier=None if self._verify_mode == CERT_NONE else self._peer_verifier(),
                client_authentication=_AUTHENTICATION[self._verify_mode],
                prefer_server_order=bool(self._options & OP_CIPHER_SERVER_PREFERENCE),
                middlebox_compatibility=bool(self._options & OP_ENABLE_MIDDLEBOX_COMPAT),
                key_log=self._key_log,
                suspend_for=frozenset(suspend_for),
                ticket_store=self._ticket_store(),
                send_tickets=min(self._num_tickets, MAXIMUM_TICKETS),
                find_psk=self._find_psk,
            )
        return snapshot

    def _server_config_after(self, first: ServerConfig) -> ServerConfig:
        """This context's settings for a handshake that began under `first` (an `sni_callback` chose this context).

        Client authentication is the stricter of both. OpenSSL keeps what the first context said, so that a site whose
        own context demands certificates goes without them there; the reverse would be a way around the first one's.
        """
        config = self._server_config()
        strictest = max(_STRICTNESS[first.client_authentication], _STRICTNESS[config.client_authentication])
        return replace(
            config,
            client_authentication=_AUTHENTICATION[strictest],
            verifier=None if strictest == 0 else self._peer_verifier(),
        )

    # Certificates of ours

    def load_cert_chain(
        self, certfile: CertificateSource, keyfile: KeySource | None = None, password: PasswordSource = None
    ) -> None:
        """Load a certificate chain and its private key: from paths, PEM text, bytes, or objects of `cryptography`.

        Loading another of the same kind of key replaces the first; a server with several kinds uses the one that
        the client supports.
        """
        credential = load_credential(certfile, keyfile, password)
        credentials = [other for other in self._credentials if other.schemes != credential.schemes]
        # A server takes the first that fits. OpenSSL goes by the order of its signature algorithms, ECDSA before RSA.
        credentials.append(credential)
        credentials.sort(key=lambda each: DEFAULT_SIGNATURE_SCHEMES.index(each.schemes[0]))
        self._credentials = tuple(credentials)
        self._changed()

    # Trust

    def load_verify_locations(
        self,
        cafile: StrOrBytesPath | None = None,
        capath: StrOrBytesPath | None = None,
        cadata: str | ReadableBuffer | None = None,
    ) -> None:
        """Trust the authorities in a PEM file, a folder, and PEM text or DER bytes, besides those trusted already."""
        self._trust.load(cafile, capath, cadata)
        self._changed()

    def load_default_certs(self, purpose: Purpose = Purpose.SERVER_AUTH) -> None:
        """Trust the platform's authorities; SSL_CERT_FILE and SSL_CERT_DIR say otherwise."""
        if not isinstance(purpose, Purpose):
            raise TypeError(purpose)
        self.set_default_verify_paths()

    def set_default_verify_paths(self) -> None:
        """The same as `load_default_certs`."""
        self._trust.load_platform()
        self._changed()

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """The trusted authorities' certificates, as dictionaries or DER. Those in a folder are among them."""
        return self._trust.authorities(binary_form)

    def cert_store_stats(self) -> dict[str, int]:
        """How many certificates are trusted, and how many of them are authorities'."""
        return {"x509": len(self._trust.anchors()), "crl": 0, "x509_ca": len(self._trust.authorities(True))}

    # Verification

    @property
    def check_hostname(self) -> bool:
        """Whether the server's certificate must name `server_hostname`. True implies `CERT_REQUIRED`."""
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value: object) -> None:
        self._check_hostname = bool(value)
        if self._check_hostname and self._verify_mode == CERT_NONE:
            self._verify_mode = CERT_REQUIRED
        self._changed()

    @property
    def verify_mode(self) -> VerifyMode:
        """Whether the peer's certificate is verified. On a client `CERT_OPTIONAL` is the same as `CERT_REQUIRED`."""
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        number = operator.index(value)
        if number not in _AUTHENTICATION:
            raise ValueError("invalid value for verify_mode")
        if number == CERT_NONE and self._check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._verify_mode = VerifyMode(number)
        self._changed()

    @property
    def verify_flags(self) -> VerifyFlags:
        """Stored. Revocation lists and proxy certificates are refused, since they would not be heeded."""
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        flags = VerifyFlags(operator.index(value))
        if flags & VERIFY_CRL_CHECK_CHAIN:
            raise ValueError("revocation lists are not supported by this version of tlsocket (VERIFY_CRL_CHECK_...)")
        if flags & VERIFY_ALLOW_PROXY_CERTS:
            raise ValueError("proxy certificates (RFC 3820) are not supported: VERIFY_ALLOW_PROXY_CERTS")
        self._verify_flags = flags
        self._changed()

    @property
    def hostname_checks_common_name(self) -> bool:
        """False: a common name never counts as a host name (RFC 9525 section 6.3). Setting it changes nothing."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: object) -> None:
        if value:
            warnings.warn("common names are never checked (RFC 9525 section 6.3)", RuntimeWarning, stacklevel=2)

    # Protocol

    @property
    def protocol(self) -> Any:
        """The protocol constant that the context was made with."""
        return self._protocol

    @property
    def minimum_version(self) -> TLSVersion:
        """The lowest version allowed. Below TLS 1.2 there is none, and TLS 1.3 is the only one spoken so far."""
        return self._minimum_version

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        version = _tls_version(value)
        if version in (TLSVersion.SSLv3, TLSVersion.TLSv1, TLSVersion.TLSv1_1):
            warnings.warn(
                f"ssl.TLSVersion.{version.name} is deprecated; TLS 1.2 is the minimum", DeprecationWarning, stacklevel=2
            )
        self._minimum_version = (
            TLSVersion.TLSv1_3 if version in (TLSVersion.TLSv1_3, TLSVersion.MAXIMUM_SUPPORTED) else TLSVersion.TLSv1_2
        )
        self._changed()

    @property
    def maximum_version(self) -> TLSVersion:
        """The highest version allowed: `TLSv1_3` or `MAXIMUM_SUPPORTED`.

        A maximum below TLS 1.3 is refused with ValueError: TLS 1.2 is not there yet.
        """
        return self._maximum_version

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        version = _tls_version(value)
        if version not in (TLSVersion.TLSv1_3, TLSVersion.MAXIMUM_SUPPORTED):
            raise ValueError(f"maximum_version {version.name} leaves no protocol: {_ONLY_TLS_1_3}")
        self._maximum_version = version
        self._changed()

    @property
    def options(self) -> Options:
        """OpenSSL's flags. Those about what does not exist here are stored and have nothing to act on."""
        return self._options

    @options.setter
    def options(self, value: int) -> None:
        number = operator.index(value)
        if not 0 <= number < 1 << 64:
            raise OverflowError("options are an unsigned number of 64 bits")
        self._options = Options(number)
        # Asked at every wrap; a test of a Flag is slow.
        self._no_tls13 = bool(number & OP_NO_TLSv1_3)
        self._changed()

    @property
    def _ignores_unexpected_eof(self) -> bool:
        return bool(self._options & OP_IGNORE_UNEXPECTED_EOF)

    @property
    def security_level(self) -> int:
        """2, OpenSSL's name for 112 bits of security; nothing weaker is offered."""
        return 2

    def set_ciphers(self, ciphers: str, /) -> None:
        """Choose cipher suites of TLS 1.2; no effect yet. Those of TLS 1.3 have `set_ciphersuites`, as in OpenSSL.

        A string in which nothing means anything raises `SSLError`.
        """
        _ciphers.check_cipher_string(ciphers)

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Choose the TLS 1.3 cipher suites and their order: names joined by colons."""
        self._cipher_suites = _ciphers.parse_suites(ciphersuites)
        self._changed()

    def get_ciphers(self) -> list[dict[str, Any]]:
        """The enabled cipher suites in order of preference."""
        return [_ciphers.describe_suite(code) for code in self._cipher_suites]

    def set_ecdh_curve(self, name: str, /) -> None:
        """Use this key exchange group and no other."""
        self._groups, self._key_shares = (_preferences.one_group(os.fsdecode(name)),), None
        self._changed()

    def set_groups(self, groups: str, /) -> None:
        """Choose the key exchange groups and their order: names joined by colons, or a list as OpenSSL 3.5 takes it."""
        self._groups, self._key_shares = _preferences.parse_groups(groups)
        self._changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """The key exchange groups that there are, whether or not `set_groups` chose them, as Python 3.15 has it."""
        return _preferences.group_names(aliases=include_aliases)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature algorithms that clients authenticate with, and their order: names joined by colons."""
        self._client_schemes = _preferences.parse_schemes(sigalgs)
        self._changed()

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature algorithms that servers authenticate with, and their order: names joined by colons."""
        self._server_schemes = _preferences.parse_schemes(sigalgs)
        self._changed()

    def load_dh_params(self, path: StrOrBytesPath, /) -> None:
        """Accepted with a warning: finite-field Diffie-Hellman is not built, so its parameters have no use."""
        with open(path, "rb") as file:
            if b"-----BEGIN DH PARAMETERS-----" not in file.read():
                raise ssl_error("NO_START_LINE", f"no DH parameters in {os.fsdecode(path)}", library="PEM")
        warnings.warn("finite-field Diffie-Hellman is not supported: its parameters are ignored", RuntimeWarning, 2)

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Application protocols to offer or accept (RFC 7301), in order of preference."""
        names = []
        for protocol in alpn_protocols:
            name = bytes(protocol, "ascii")
            if not 0 < len(name) < 256:
                raise SSLError("ALPN protocols must be 1 to 255 in length")
            names.append(name)
        self._alpn = tuple(names)
        self._changed()

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """No effect: NPN never became a standard."""
        warnings.warn("ssl NPN is deprecated, use ALPN instead", DeprecationWarning, stacklevel=2)

    # Callbacks and the rest

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """Called as `(sslsocket_or_object, server_name, context)` for each ClientHello a server receives.

        It may set the socket's `context`, and answers None to go on or the number of an alert to refuse.
        """
        return self._sni_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., Any] | None) -> None:
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._sni_callback = callback
        self._changed()

    def set_servername_callback(self, server_name_callback: Callable[..., Any] | None) -> None:
        """The older way to set `sni_callback`."""
        self.sni_callback = server_name_callback

    @property
    def keylog_filename(self) -> str | bytes | None:
        """A file that gets the secrets of every connection (RFC 9850), for debugging; None: no file."""
        return None if self._key_log is None else self._key_log.path

    @keylog_filename.setter
    def keylog_filename(self, filename: StrOrBytesPath | None) -> None:
        self._key_log = None if filename is None else KeyLogFile(filename)
        self._changed()

    @property
    def post_handshake_auth(self) -> bool:
        """Stored. Post-handshake authentication is neither offered nor asked for yet (`HAS_PHA` is False)."""
        return self._post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: object) -> None:
        self._post_handshake_auth = bool(value)



def _check_protocol(protocol: int | None) -> Any:
    if protocol is None:
        warnings.warn("ssl.SSLContext() without protocol argument is deprecated.", DeprecationWarning, stacklevel=3)
        protocol = PROTOCOL_TLS
    try:
        method = SSLMethod(operator.index(protocol))
    except ValueError:
        raise ValueError(f"invalid or unsupported protocol version {protocol}") from None
    if method == PROTOCOL_TLS:
        warnings.warn("ssl.PROTOCOL_TLS is deprecated", DeprecationWarning, stacklevel=3)
    elif method not in (PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
        raise ValueError(f"invalid or unsupported protocol version {method.name}: {_ONLY_TLS_1_3}")
    return method


def _tls_version(value: int) -> TLSVersion:
    number = operator.index(value)
    try:
        return TLSVersion(number)
    except ValueError:
        raise ValueError(f"Unsupported TLS/SSL version {number:#x}") from None
