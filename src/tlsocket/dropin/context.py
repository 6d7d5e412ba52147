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
from abc import ABCMeta
from collections.abc import Callable, Iterable
from dataclasses import replace
from socket import socket
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from tlsocket.config import (
    DEFAULT_BUDGETS,
    ClientAuthentication,
    ClientConfig,
    Credential,
    DecisionKind,
    ServerConfig,
)
from tlsocket.connection import Connection
from tlsocket.crypto.certificates import parse_certificate
from tlsocket.crypto.groups import SUPPORTED_GROUPS
from tlsocket.crypto.signatures import CERTIFICATE_SCHEMES, DEFAULT_SIGNATURE_SCHEMES
from tlsocket.crypto.suites import DEFAULT_TLS12_SUITES, DEFAULT_TLS13_SUITES
from tlsocket.dropin.callbacks import Callbacks
from tlsocket.dropin.credentials import CertificateSource, KeySource, PasswordSource
from tlsocket.dropin.enums import (
    CERT_NONE,
    CERT_REQUIRED,
    OP_ALL,
    OP_CIPHER_SERVER_PREFERENCE,
    OP_ENABLE_MIDDLEBOX_COMPAT,
    OP_IGNORE_UNEXPECTED_EOF,
    OP_LEGACY_SERVER_CONNECT,
    OP_NO_COMPRESSION,
    OP_SINGLE_DH_USE,
    OP_SINGLE_ECDH_USE,
    PROTOCOL_TLS,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
    VERIFY_ALLOW_PROXY_CERTS,
    VERIFY_X509_TRUSTED_FIRST,
    OP_NO_SSLv2,
    OP_NO_SSLv3,
    OP_NO_TLSv1,
    OP_NO_TLSv1_1,
    OP_NO_TLSv1_2,
    OP_NO_TLSv1_3,
    Options,
    PROTOCOL_TLSv1_2,
    Purpose,
    SSLMethod,
    TLSVersion,
    VerifyFlags,
    VerifyMode,
)
from tlsocket.dropin.exceptions import SSLError, ssl_error
from tlsocket.dropin.keylog import KeyLogFile
from tlsocket.dropin.limits import Limits
from tlsocket.dropin.preferences import Preferences, one_group
from tlsocket.dropin.reloading import Material, Reloading
from tlsocket.dropin.resumption import ResumptionSettings, role_error
from tlsocket.dropin.session import SSLSession
from tlsocket.dropin.sslobject import MemoryBIO, SSLObject
from tlsocket.dropin.sslsocket import SSLSocket
from tlsocket.dropin.stores import DistrustWatch, intermediates
from tlsocket.dropin.trust import TrustSettings
from tlsocket.dropin.underscored import Underscored
from tlsocket.dropin.verification import TrustVerifier, profile_for, revocation_for
from tlsocket.dropin.versions import NOT_BELOW_TLS_1_2, check_maximum, enabled_versions, tls_version
from tlsocket.registry.versions import ProtocolVersion

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

    from tlsocket.events import Event
    from tlsocket.pki.trust.review import PathReview

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
_VERSION_SWITCHES = int(OP_NO_SSLv2 | OP_NO_SSLv3 | OP_NO_TLSv1 | OP_NO_TLSv1_1 | OP_NO_TLSv1_2 | OP_NO_TLSv1_3)
_ALL_SCHEMES = (*DEFAULT_SIGNATURE_SCHEMES, *CERTIFICATE_SCHEMES)
_AUTHENTICATION = {
    0: ClientAuthentication.NONE,
    1: ClientAuthentication.OPTIONAL,
    2: ClientAuthentication.REQUIRED,
}
_AUTHORITY_NAMES = 8192  # bytes: a list of names is a hint, and no client should have to read more of it
_STRICTNESS = {authentication: strictness for strictness, authentication in _AUTHENTICATION.items()}
_NO_DECISIONS: frozenset[DecisionKind] = frozenset()
_CERTIFICATE_DECISION = frozenset({DecisionKind.CERTIFICATE})


class SSLContext(Callbacks, Preferences, Limits, ResumptionSettings, Reloading, Underscored, metaclass=ABCMeta):
    """Settings, certificates and trust for any number of connections."""

    sslsocket_class: type[SSLSocket] = SSLSocket
    sslobject_class: type[SSLObject] = SSLObject

    _aiofastnet_force_fallback_ssl = True
    """aiofastnet takes a context for OpenSSL's own structure unless it finds this, and then crashes."""

    on_event: Callable[[Event], None] | None
    """Called with each of `tlsocket.events` as it happens, by every connection made from now on (not in `ssl`)."""

    _protocol: Any
    _check_hostname: bool
    _verify_mode: VerifyMode
    _verify_flags: VerifyFlags
    _options: Options
    _versions: tuple[int, int] | None
    """Lowest and highest version under the present settings; None: they leave none."""
    _minimum_version: TLSVersion
    _maximum_version: TLSVersion
    _cipher_suites: tuple[int, ...]
    _tls12_cipher_suites: tuple[int, ...]
    _alpn: tuple[bytes, ...]
    _platform_trusted: bool
    _send_authorities: bool
    _common_name: bool
    _verify_callback: Callable[[PathReview], None] | None
    _key_log: KeyLogFile | None
    _post_handshake_auth: bool
    _client_snapshot: tuple[object, ClientConfig] | None
    """With the generation of the settings it was made from: one made from older settings is not used."""
    _server_snapshot: tuple[object, ServerConfig] | None

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:
        """A context for `PROTOCOL_TLS_CLIENT`, `PROTOCOL_TLS_SERVER`, or for both roles `PROTOCOL_TLS` or
        `PROTOCOL_TLSv1_2`, which are deprecated.
        """
        method = _check_protocol(protocol)
        self = super().__new__(cls)
        self.on_event = None
        self._protocol = method
        is_client = method == PROTOCOL_TLS_CLIENT
        self._check_hostname = is_client
        self._verify_mode = CERT_REQUIRED if is_client else CERT_NONE
        self._verify_flags = VERIFY_X509_TRUSTED_FIRST
        self._options = Options(_DEFAULT_OPTIONS)
        self._minimum_version = TLSVersion.TLSv1_2
        self._maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        if method == PROTOCOL_TLSv1_2:
            self._maximum_version = TLSVersion.TLSv1_2
        self._cipher_suites = DEFAULT_TLS13_SUITES
        self._tls12_cipher_suites = DEFAULT_TLS12_SUITES
        self._groups = SUPPORTED_GROUPS
        self._key_shares = None
        self._client_schemes = None
        self._server_schemes = None
        self._alpn = ()
        self._init_material()
        self._platform_trusted = False
        self._send_authorities = True
        self._common_name = False
        self._verify_callback = None
        self._key_log = None
        self._budgets = DEFAULT_BUDGETS
        self._record_size_limit = self._max_fragment_length = None
        self._message_callback = None
        self._sni_callback = None
        self._client_hello_callback = None
        self._client_certificate_callback = None
        self._post_handshake_auth = False
        self._init_resumption()
        self._changed()
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
        self, server_side: bool, server_hostname: str | None, owner: object, session: SSLSession | None = None
    ) -> Connection:
        """A new connection under the present settings."""
        self._check_role(server_side)
        if server_hostname is not None:
            if not server_hostname or server_hostname.startswith("."):
                raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
            if "\0" in server_hostname:
                raise TypeError("argument must be encoded string without null bytes, not str")
        if self._versions is None:
            raise ssl_error(
                "NO_PROTOCOLS_AVAILABLE", f"options and versions leave none of the two: {NOT_BELOW_TLS_1_2}"
            )
        self._count("accept" if server_side else "connect")
        if server_side:
            return Connection(self._server_config(), on_event=self._listener(owner))
        resume, listener = None if session is None else session._session, self._listener(owner)
        return Connection(self._client_config(), server_name=server_hostname, session=resume, on_event=listener)

    def _check_role(self, server_side: bool) -> None:
        if server_side and self._protocol == PROTOCOL_TLS_CLIENT:
            raise role_error("Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and self._protocol == PROTOCOL_TLS_SERVER:
            raise role_error("Cannot create a client socket with a PROTOCOL_TLS_SERVER context")

    # Snapshots

    def _settings(self, material: Material) -> dict[str, Any]:
        """What a client's and a server's configuration have in common."""
        lowest, highest = self._versions or (ProtocolVersion.TLS_1_3, ProtocolVersion.TLS_1_3)
        return {
            "minimum_version": lowest,
            "maximum_version": highest,
            "cipher_suites": self._cipher_suites,
            "tls12_cipher_suites": self._tls12_cipher_suites,
            "groups": self._groups,
            "alpn_protocols": self._alpn,
            "credentials": material.credentials,
            "verifier": None if self._verify_mode == CERT_NONE else self._peer_verifier(material.trust),
            "middlebox_compatibility": bool(self._options & OP_ENABLE_MIDDLEBOX_COMPAT),
            "key_log": self._key_log,
            "budgets": self._budgets,
            "record_size_limit": self._record_size_limit,
        }

    def _changed(self) -> None:
        self._versions = enabled_versions(
            self._minimum_version,
            self._maximum_version,
            int(self._options),
            tls12=bool(self._tls12_cipher_suites),
        )
        self._generation = object()
        self._client_snapshot = self._server_snapshot = None

    def _peer_verifier(self, trust: TrustSettings) -> TrustVerifier:
        """The verifier for the present trust and flags; asked for when a snapshot is made."""
        flags = int(self._verify_flags)
        return TrustVerifier(
            trust.anchors(),
            profile=profile_for(flags, self._common_name),
            revocation=revocation_for(flags, trust.lists()),
            callback=self._verify_callback,
            intermediates=intermediates(),
            distrust=DistrustWatch(),
        )

    def _client_config(self) -> ClientConfig:
        snapshot, generation = self._client_snapshot, self._generation
        if snapshot is None or snapshot[0] is not generation:
            config = ClientConfig(
                **self._settings(self._material),
                key_share_groups=self._key_shares,
                signature_schemes=self._server_schemes or _ALL_SCHEMES,
                signing_schemes=self._client_schemes,
                check_name=self._check_hostname,
                max_fragment_length=self._max_fragment_length,
                post_handshake_auth=self._post_handshake_auth,
                require_secure_renegotiation=not self._options & OP_LEGACY_SERVER_CONNECT,
                suspend_for=_NO_DECISIONS if self._client_certificate_callback is None else _CERTIFICATE_DECISION,
                **self._client_resumption(),
            )
            snapshot = self._client_snapshot = generation, config
        return snapshot[1]

    def _server_config(self) -> ServerConfig:
        snapshot, generation = self._server_snapshot, self._generation
        if snapshot is None or snapshot[0] is not generation:
            material = self._material
            late = self._post_handshake_auth
            callback = self._sni_callback or self._client_hello_callback
            config = ServerConfig(
                **self._settings(material),
                signature_schemes=self._client_schemes or _ALL_SCHEMES,
                signing_schemes=self._server_schemes,
                # As OpenSSL's callback in `ssl` does: without a common protocol the connection goes on without one.
                alpn_strict=False,
                client_authentication=_AUTHENTICATION[CERT_NONE if late else self._verify_mode],
                certificate_authorities=self._authority_names(material.trust),
                post_handshake_authentication=_AUTHENTICATION[self._verify_mode if late else CERT_NONE],
                prefer_server_order=bool(self._options & OP_CIPHER_SERVER_PREFERENCE),
                suspend_for=_NO_DECISIONS if callback is None else _CERTIFICATE_DECISION,
                **self._server_resumption(),
            )
            snapshot = self._server_snapshot = generation, config
        return snapshot[1]

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
            verifier=None if strictest == 0 else self._peer_verifier(self._trust),
        )

    # Certificates of ours

    def load_cert_chain(
        self, certfile: CertificateSource, keyfile: KeySource | None = None, password: PasswordSource = None
    ) -> None:
        """Load a certificate chain and its private key: from paths, PEM text, bytes, or objects of `cryptography`.

        Without `keyfile` the key stands in `certfile`: PEM, a PKCS #12 container, or an entry of a certificate store.
        `keyfile` may be a signer, for a key kept elsewhere: an object with `public_key()` and `sign(scheme, data)`.

        Several may be loaded. The one is used that serves the name that the client asks for (wildcards count), whose
        key fits the peer, and that comes from an authority which the peer names; where several do, ECDSA comes before
        RSA and the last loaded before the others. Another with the same kind of key and a name in common, or with
        neither names nor another issuer, replaces the first.
        """
        self._load_chain(certfile, keyfile, password, _replaces)

    # Trust

    def load_verify_locations(
        self,
        cafile: StrOrBytesPath | None = None,
        capath: StrOrBytesPath | None = None,
        cadata: str | ReadableBuffer | None = None,
    ) -> None:
        """Trust the authorities in a PEM file, a folder, and PEM text or DER bytes, besides those trusted already."""
        self._load_trust(cafile, capath, cadata)

    @property
    def send_client_authorities(self) -> bool:
        """Whether a server that asks for a certificate names the authorities it trusts (RFC 9846 section 4.3.4).

        True unless set otherwise. The platform's authorities are never named: there are too many, and which of them a
        client's certificate should come from, they do not say. Not in `ssl`, which names none.
        """
        return self._send_authorities

    @send_client_authorities.setter
    def send_client_authorities(self, value: object) -> None:
        self._send_authorities = bool(value)
        self._changed()

    def _authority_names(self, trust: TrustSettings) -> tuple[bytes, ...]:
        if not self._send_authorities or self._platform_trusted or self._verify_mode == CERT_NONE:
            return ()
        subjects = [parse_certificate(der).subject.public_bytes() for der in trust.authorities(True)]
        names = tuple(dict.fromkeys(subjects))
        return names if sum(map(len, names)) <= _AUTHORITY_NAMES else ()

    def load_default_certs(self, purpose: Purpose = Purpose.SERVER_AUTH) -> None:
        """Trust the platform's authorities; SSL_CERT_FILE and SSL_CERT_DIR say otherwise."""
        if not isinstance(purpose, Purpose):
            raise TypeError(purpose)
        self.set_default_verify_paths()

    def set_default_verify_paths(self) -> None:
        """The same as `load_default_certs`."""
        self._platform_trusted = True
        self._load_platform_trust()

    def get_ca_certs(self, binary_form: bool = False) -> list[Any]:
        """The trusted authorities' certificates, as dictionaries or DER. Those in a folder are among them."""
        return self._trust.authorities(binary_form)

    def cert_store_stats(self) -> dict[str, int]:
        """How many certificates are trusted, how many of them are authorities', and how many revocation lists."""
        trust = self._trust
        return {"x509": len(trust.anchors()), "crl": len(trust.lists()), "x509_ca": len(trust.authorities(True))}

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
        """What is asked of a chain: strictness, partial chains, revocation lists (`tlsocket.pki.trust.profiles`).

        Proxy certificates are refused. The most trusted path is always looked for first.
        """
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        flags = VerifyFlags(operator.index(value))
        if flags & VERIFY_ALLOW_PROXY_CERTS:
            raise ValueError("proxy certificates (RFC 3820) are not supported: VERIFY_ALLOW_PROXY_CERTS")
        self._verify_flags = flags
        self._changed()

    @property
    def hostname_checks_common_name(self) -> bool:
        """Whether a common name counts as host name where no subjectAltName has one.

        False unless a program sets it, unlike in `ssl`: RFC 9525 section 6.3 says that it never does.
        """
        return self._common_name

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: object) -> None:
        self._common_name = bool(value)
        self._changed()

    @property
    def verify_callback(self) -> Callable[[PathReview], None] | None:
        """Called with the best path to the peer's certificate and what is wrong with it, before the verdict.

        It may refuse the path (`PathReview.refuse`), and override a problem by naming it. Not in `ssl`.
        """
        return self._verify_callback

    @verify_callback.setter
    def verify_callback(self, callback: Callable[[PathReview], None] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._verify_callback = callback
        self._changed()

    # Protocol

    @property
    def protocol(self) -> Any:
        """The protocol constant that the context was made with."""
        return self._protocol

    @property
    def minimum_version(self) -> TLSVersion:
        """The lowest version allowed. Below TLS 1.2 there is none."""
        return self._minimum_version

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        version = tls_version(value)
        if version in (TLSVersion.SSLv3, TLSVersion.TLSv1, TLSVersion.TLSv1_1):
            # Programs filter by this very text; what it does not say: TLS 1.2 is the minimum here.
            warnings.warn(f"ssl.TLSVersion.{version.name} is deprecated", DeprecationWarning, stacklevel=2)
        self._minimum_version = (
            TLSVersion.TLSv1_3 if version in (TLSVersion.TLSv1_3, TLSVersion.MAXIMUM_SUPPORTED) else TLSVersion.TLSv1_2
        )
        self._changed()

    @property
    def maximum_version(self) -> TLSVersion:
        """The highest version allowed: `TLSv1_2`, `TLSv1_3` or `MAXIMUM_SUPPORTED`.

        A maximum below TLS 1.2 leaves no protocol and is refused with ValueError.
        """
        return self._maximum_version

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        self._maximum_version = check_maximum(tls_version(value))
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
        if number & ~int(self._options) & _VERSION_SWITCHES:
            text = "ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
        self._options = Options(number)
        self._changed()

    @property
    def _ignores_unexpected_eof(self) -> bool:
        return bool(self._options & OP_IGNORE_UNEXPECTED_EOF)

    @property
    def security_level(self) -> int:
        """2, OpenSSL's name for 112 bits of security; nothing weaker is offered."""
        return 2

    def set_ciphers(self, ciphers: str, /) -> None:
        """Choose cipher suites of TLS 1.2 by a cipher list of OpenSSL. Those of TLS 1.3 have `set_ciphersuites`.

        Only suites with ECDHE and an AEAD exist here; a string that selects none of them raises `SSLError`.
        """
        from tlsocket.dropin.ciphers import parse_cipher_string  # its tables: few programs choose suites

        self._tls12_cipher_suites = parse_cipher_string(ciphers)
        self._changed()

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Choose the TLS 1.3 cipher suites and their order: names joined by colons."""
        from tlsocket.dropin.ciphers import parse_suites  # as above

        self._cipher_suites = parse_suites(ciphersuites)
        self._changed()

    def get_ciphers(self) -> list[dict[str, Any]]:
        """The enabled cipher suites in order of preference, those of TLS 1.3 first."""
        from tlsocket.dropin.ciphers import describe_suite  # as above

        return [describe_suite(code) for code in (*self._cipher_suites, *self._tls12_cipher_suites)]

    def set_ecdh_curve(self, name: str, /) -> None:
        """Use this key exchange group and no other."""
        self._groups, self._key_shares = (one_group(os.fsdecode(name)),), None
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
    def keylog_filename(self) -> str | bytes | None:
        """A file that gets the secrets of every connection (RFC 9850), for debugging; None: no file."""
        return None if self._key_log is None else self._key_log.path

    @keylog_filename.setter
    def keylog_filename(self, filename: StrOrBytesPath | None) -> None:
        self._key_log = None if filename is None else KeyLogFile(filename)
        self._changed()

    @property
    def post_handshake_auth(self) -> bool:
        """On a client: whether the server may ask for a certificate after the handshake (RFC 9846 section 4.7.2).

        On a server: whether `verify_mode` is about such requests (`verify_client_post_handshake`), not about the
        handshake.
        """
        return self._post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: object) -> None:
        self._post_handshake_auth = bool(value)
        self._changed()


# `isinstance` of the standard library's own objects is true as well: a program may have got one from elsewhere.
SSLContext.register(_stdlib.SSLContext)


def _replaces(new: Credential, old: Credential) -> bool:
    """Whether `new` is meant to take the place of `old`: a renewed certificate, whose names may have changed a bit."""
    if new.schemes != old.schemes or bool(new.names) != bool(old.names):
        return False
    if new.names:
        return not set(new.names).isdisjoint(old.names)
    issuers = [parse_certificate(each.certificate_chain[0]).issuer for each in (new, old)]
    return bool(issuers[0] == issuers[1])


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
    elif method == PROTOCOL_TLSv1_2:
        warnings.warn("ssl.PROTOCOL_TLSv1_2 is deprecated", DeprecationWarning, stacklevel=3)
    elif method not in (PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
        raise ValueError(f"invalid or unsupported protocol version {method.name}: {NOT_BELOW_TLS_1_2}")
    return method


def is_ours(context: object) -> TypeGuard[SSLContext]:
    """Whether a context is one of this library's, which `isinstance` does not tell."""
    return SSLContext in type(context).__mro__
