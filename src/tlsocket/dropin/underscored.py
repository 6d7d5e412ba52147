"""Members of `SSLContext` with an underscore that programs call, or replace in classes that derive from it.

`SSLContext` inherits them. Names of the module with an underscore are in `private`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

__all__ = ["Underscored"]

_NEVER_CHECK_SUBJECT, _NO_PARTIAL_WILDCARDS = 0x20, 0x4
"""OpenSSL's X509_CHECK_FLAG_... numbers."""


class Underscored:
    """Each in terms of what has a name."""

    _windows_cert_stores = ("CA", "ROOT")

    if TYPE_CHECKING:
        hostname_checks_common_name: bool

        def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None: ...

        def set_default_verify_paths(self) -> None: ...

    @property
    def _host_flags(self) -> int:
        """How names are compared; partial wildcards never count, and a common name where it is said."""
        return _NO_PARTIAL_WILDCARDS | (0 if self.hostname_checks_common_name else _NEVER_CHECK_SUBJECT)

    @_host_flags.setter
    def _host_flags(self, flags: int) -> None:
        self.hostname_checks_common_name = not flags & _NEVER_CHECK_SUBJECT

    def _set_alpn_protocols(self, protos: bytes, /) -> None:
        """The names as RFC 7301 section 3.1 writes them: each with a byte for its length before it."""
        names, rest = [], bytes(protos)
        while rest:
            length = rest[0]
            if not 0 < length <= len(rest) - 1:
                raise ValueError("a name of a protocol ends before its length does, or is empty")
            names.append(rest[1 : 1 + length].decode("ascii"))
            rest = rest[1 + length :]
        self.set_alpn_protocols(names)

    def _load_windows_store_certs(self, storename: str, purpose: Any) -> None:
        """The platform's authorities: on Windows those of the store, with the others."""
        self.set_default_verify_paths()
