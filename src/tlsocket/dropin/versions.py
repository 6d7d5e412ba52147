"""Protocol versions as `ssl` names them: `TLSVersion`, the options that switch one off, and the word for one in use.

What a version is on the wire is `tlsocket.registry`'s.
"""

from __future__ import annotations

import operator

from tlsocket.dropin.enums import OP_NO_TLSv1_2, OP_NO_TLSv1_3, TLSVersion
from tlsocket.registry.versions import ProtocolVersion

__all__ = ["NOT_BELOW_TLS_1_2", "check_maximum", "enabled_versions", "tls_version", "version_name"]

NOT_BELOW_TLS_1_2 = "tlsocket speaks TLS 1.2 and TLS 1.3"

_CODES = {TLSVersion.TLSv1_2: ProtocolVersion.TLS_1_2.value, TLSVersion.TLSv1_3: ProtocolVersion.TLS_1_3.value}
_NO_TLS_1_2 = int(OP_NO_TLSv1_2)
_NO_TLS_1_3 = int(OP_NO_TLSv1_3)


def tls_version(value: int) -> TLSVersion:
    """A `TLSVersion`, or the standard library's complaint."""
    number = operator.index(value)
    try:
        return TLSVersion(number)
    except ValueError:
        raise ValueError(f"Unsupported TLS/SSL version {number:#x}") from None


def check_maximum(version: TLSVersion) -> TLSVersion:
    """A `maximum_version` that leaves a protocol."""
    if version == TLSVersion.MINIMUM_SUPPORTED:
        return TLSVersion.TLSv1_2
    if version not in (*_CODES, TLSVersion.MAXIMUM_SUPPORTED):
        raise ValueError(f"maximum_version {version.name} leaves no protocol: {NOT_BELOW_TLS_1_2}")
    return version


def enabled_versions(minimum: TLSVersion, maximum: TLSVersion, options: int, *, tls12: bool) -> tuple[int, int] | None:
    """Lowest and highest code point that the settings allow; None: they leave none. `tls12`: it has a cipher suite."""
    highest = TLSVersion.TLSv1_3 if maximum == TLSVersion.MAXIMUM_SUPPORTED else maximum
    enabled = {code for version, code in _CODES.items() if minimum <= version <= highest}
    if options & _NO_TLS_1_2 or not tls12:
        enabled.discard(ProtocolVersion.TLS_1_2)
    if options & _NO_TLS_1_3:
        enabled.discard(ProtocolVersion.TLS_1_3)
    return (min(enabled), max(enabled)) if enabled else None


def version_name(version: int) -> str:
    """As OpenSSL spells it."""
    return "TLSv1.3" if version == ProtocolVersion.TLS_1_3 else "TLSv1.2"
