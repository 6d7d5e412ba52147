"""X.500 names: read and written in the spellings of RFC 4514, Windows and OpenSSL, compared by RFC 5280.

`DistinguishedName` is the name as an object. Path building compares names by the keys of `comparison`, which this
package does not re-export; what it does is loaded when it is asked for, so that comparing costs no more than it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlsocket.pki.loading import names_of

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

__getattr__ = names_of(__name__, _MODULE_OF)
