"""`ClientHelloInfo`: a client's offer in names, for `SSLContext.client_hello_callback`.

It only reads (RFC 9846 section 4.2.2); what a server makes of an offer is `tlsocket.handshake`'s.
"""

from __future__ import annotations

from tlsocket.messages import ClientHello
from tlsocket.registry import describe
from tlsocket.registry.cipher_suites import CipherSuiteCode
from tlsocket.registry.named_groups import NamedGroup
from tlsocket.registry.signature_schemes import SignatureScheme
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["ClientHelloInfo"]


class ClientHelloInfo:
    """What a client offers, most preferred first; unknown code points (GREASE, RFC 8701) are hexadecimal numbers."""

    __slots__ = ("_hello",)

    def __init__(self, hello: ClientHello) -> None:
        self._hello = hello

    def __repr__(self) -> str:
        return f"<ClientHelloInfo server_name={self.server_name!r} alpn={self.alpn_protocols!r}>"

    @property
    def server_name(self) -> str | None:
        """The host that is asked for (RFC 6066 section 3)."""
        return self._hello.extensions.server_name

    @property
    def alpn_protocols(self) -> list[str]:
        """Application protocols (RFC 7301); bytes beyond ASCII are escaped."""
        return [name.decode("ascii", "backslashreplace") for name in self._hello.extensions.alpn or ()]

    @property
    def versions(self) -> list[str]:
        """Protocol versions."""
        offered = self._hello.extensions.supported_versions or (self._hello.legacy_version,)
        return [describe(ProtocolVersion, version) for version in offered]

    @property
    def cipher_suites(self) -> list[str]:
        """Cipher suites."""
        return [describe(CipherSuiteCode, code) for code in self._hello.cipher_suites]

    @property
    def groups(self) -> list[str]:
        """Key exchange groups."""
        return [describe(NamedGroup, code) for code in self._hello.extensions.supported_groups or ()]

    @property
    def key_share_groups(self) -> list[str]:
        """The groups that shares were sent for."""
        return [describe(NamedGroup, entry.group) for entry in self._hello.extensions.key_share or ()]

    @property
    def signature_algorithms(self) -> list[str]:
        """Signature schemes that the server may authenticate with."""
        return [describe(SignatureScheme, code) for code in self._hello.extensions.signature_algorithms or ()]

    @property
    def certificate_authorities(self) -> list[bytes]:
        """DER names of the authorities that the server's certificate should come from (RFC 9846 section 4.3.4)."""
        return list(self._hello.extensions.certificate_authorities or ())

    @property
    def extensions(self) -> list[int]:
        """Types of all extensions, in the order in which they came."""
        return list(self._hello.extensions.present)
