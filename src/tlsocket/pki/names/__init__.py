"""X.500 names: read and written in the spellings of RFC 4514, Windows and OpenSSL, compared by RFC 5280.

`DistinguishedName` is the name as an object. Path building compares names by the keys of `comparison`, which this
package does not re-export; what it does is loaded when it is asked for, so that comparing costs no more than it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlsocket.pki.names.attributes import Dialect, NameSyntaxError
    from tlsocket.pki.names.distinguished_name import DistinguishedName
    from tlsocket.pki.names.encoding import Attribute, NameEncodingError

__all__ = ["Attribute", "Dialect", "DistinguishedName", "NameEncodingError", "NameSyntaxError"]

_MODULE_OF = {
    "Attribute": "encoding",
    "Dialect": "attributes",
    "DistinguishedName": "distinguished_name",
    "NameEncodingError": "encoding",
    "NameSyntaxError": "attributes",
}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
