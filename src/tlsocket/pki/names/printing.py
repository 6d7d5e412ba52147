"""Names written as text, in each dialect, such that reading them gives the same name.

What is no visible character is written as escaped bytes (Windows, which has no escapes: as DER in hexadecimal), so that
a name that a stranger chose cannot move a terminal's cursor or turn the line around.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tlsocket.pki.names.attributes import Dialect, keyword
from tlsocket.pki.names.encoding import Attribute

__all__ = ["format_rdns"]

_ESCAPED_4514 = re.compile(r'["+,;<>\\]')
_ESCAPED_OPENSSL = re.compile(r"[\\/+]")
_QUOTED_WINDOWS = re.compile(r'[,+="<>#;]|^ | $')


def format_rdns(rdns: Sequence[Sequence[Attribute]], dialect: Dialect) -> str:
    """The relative names in the order given. Raises `NameEncodingError` for a value that has no encoding."""
    write = _WRITERS[dialect]
    if dialect is Dialect.OPENSSL:
        return "".join("/" + "+".join(map(write, rdn)) for rdn in rdns)
    comma, plus = (", ", " + ") if dialect is Dialect.WINDOWS else (",", "+")
    return comma.join(plus.join(map(write, rdn)) for rdn in rdns)


def _write_4514(item: Attribute) -> str:
    word = keyword(item.oid, Dialect.RFC4514)
    if word is None or isinstance(item.value, bytes):
        # RFC 4514 section 2.4: a type in dotted form has its value in hexadecimal, since nobody knows its syntax.
        return f"{word or item.oid}={_hexadecimal(item)}"
    text = _ESCAPED_4514.sub(r"\\\g<0>", item.value)
    if text.endswith(" "):
        text = f"{text[:-1]}\\ "
    if text.startswith((" ", "#")):
        text = f"\\{text}"
    return f"{word}={_visible(text, chr(92))}"


def _write_windows(item: Attribute) -> str:
    word = keyword(item.oid, Dialect.WINDOWS) or f"OID.{item.oid}"
    text = item.value
    if isinstance(text, bytes) or not text.isprintable():
        return f"{word}={_hexadecimal(item)}"
    if not text or _QUOTED_WINDOWS.search(text):
        text = '"' + text.replace('"', '""') + '"'
    return f"{word}={text}"


def _write_openssl(item: Attribute) -> str:
    word = keyword(item.oid, Dialect.OPENSSL) or item.oid
    if isinstance(item.value, bytes):
        return f"{word}={_hexadecimal(item)}"
    text = _ESCAPED_OPENSSL.sub(r"\\\g<0>", item.value)
    if text.startswith("#"):
        text = f"\\{text}"
    return f"{word}={_visible(text, chr(92) + 'x')}"


def _hexadecimal(item: Attribute) -> str:
    return f"#{item.value_der.hex().upper()}"


def _visible(text: str, lead: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "".join(f"{lead}{octet:02X}" for octet in c.encode()) for c in text)


_WRITERS = {
    Dialect.RFC4514: _write_4514,
    Dialect.WINDOWS: _write_windows,
    Dialect.OPENSSL: _write_openssl,
}
