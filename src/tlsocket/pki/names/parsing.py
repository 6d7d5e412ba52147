"""Names read from text, in each dialect, with the column of what is wrong.

RFC 4514 section 3 is the grammar of the first dialect. Two liberties of its predecessor (RFC 2253 section 4) are kept,
since everybody writes them: spaces around `,`, `+` and `=`, and values in double quotes. Each reader goes once from
left to right, so that time is linear in the text, whose length is bounded.
"""

from __future__ import annotations

import re
from typing import NoReturn

from tlsocket.pki.names.attributes import Dialect, NameSyntaxError, keyword_oid, limit_problem
from tlsocket.pki.names.encoding import MAXIMUM_NAME_LENGTH, Attribute, attribute_value

__all__ = ["parse_rdns"]

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9.-]*|[0-9][0-9.]*")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_SPECIAL = ' "#+,;<=>\\'
_A_TYPE = "an attribute type such as CN, or an object identifier such as 2.5.4.3"

# What can be taken as it stands, up to the next character that means something.
_PLAIN_4514 = re.compile(r'[^\\,+;<>"\0]+')
_PLAIN_IN_QUOTES = re.compile(r'[^\\"]+')
_PLAIN_WINDOWS = re.compile(r'[^,+;"\r\n]+')
_PLAIN_OPENSSL = re.compile(r"[^\\/+]+")


def parse_rdns(text: str, dialect: Dialect, *, enforce_limits: bool) -> list[tuple[Attribute, ...]]:
    """The relative names in the order of the text. Raises `NameSyntaxError`."""
    if len(text) > MAXIMUM_NAME_LENGTH:
        raise NameSyntaxError(text, MAXIMUM_NAME_LENGTH + 1, f"a name of at most {MAXIMUM_NAME_LENGTH} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NameSyntaxError(text, error.start + 1, "Unicode characters only") from None
    return _READERS[dialect](text, enforce_limits).read()


class _Value:
    """The text of one value, and where each of its pieces stood."""

    __slots__ = ("_kept", "_length", "_pieces", "_reader")

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._pieces: list[tuple[int, int, str]] = []
        self._length = 0
        self._kept = 0

    def add(self, piece: str, start: int) -> None:
        """Characters as they stand in the text from `start`."""
        self._pieces.append((self._length, start, piece))
        self._length += len(piece)

    def add_escaped(self, piece: str, start: int) -> None:
        """Characters that were escaped: spaces among them are meant."""
        self.add(piece, start)
        self._kept = self._length

    def text(self, *, strip: bool) -> str:
        """The whole; with `strip`, without the spaces at its end that were not escaped."""
        whole = "".join(piece for _, _, piece in self._pieces)
        return whole[: self._kept] + whole[self._kept :].rstrip(" ") if strip else whole

    def position(self, index: int) -> int:
        """Where in the text the character `index` of the value was."""
        place = self._reader.position
        for offset, start, piece in self._pieces:
            if offset <= index < offset + len(piece):
                literal = self._reader.text.startswith(piece, start)
                return start + (index - offset if literal else 0)
        return place


class _Reader:
    """What the dialects have in common: types, hexadecimal values, escaped bytes."""

    separators = ","

    def __init__(self, text: str, enforce_limits: bool) -> None:
        self.text = text
        self.position = 0
        self.enforce_limits = enforce_limits

    def read(self) -> list[tuple[Attribute, ...]]:
        """The whole text."""
        self._skip_spaces()
        if self.position == len(self.text):
            return []
        rdns: list[list[Attribute]] = [[]]
        while True:
            rdns[-1].append(self._attribute())
            separator = self._peek()
            if not separator:
                return [tuple(rdn) for rdn in rdns]
            if separator != "+" and separator not in self.separators:
                self._fail(self._between)
            self.position += 2 if self.text.startswith("\r\n", self.position) else 1
            if separator != "+":
                rdns.append([])

    _between = "',' or '+' between attributes, or a backslash before this character"

    def _attribute(self) -> Attribute:
        oid = self._type()
        start = self.position
        if self._peek() == "#" and (value := self._hexadecimal()) is not None:
            text, tag = value
            return self._checked(oid, text, tag, start)
        read, strip = self._value()
        content = read.text(strip=strip)
        if self.enforce_limits and (problem := limit_problem(oid, content)):
            index, expected, said = problem
            self.position = start if not content else read.position(index)
            self._fail(expected, said)
        return Attribute(oid, content)

    def _checked(self, oid: str, value: str | bytes, tag: int, start: int) -> Attribute:
        if self.enforce_limits and isinstance(value, str) and (problem := limit_problem(oid, value)):
            self.position = start
            self._fail(problem[1], problem[2])
        return Attribute(oid, value, tag)

    def _type(self) -> str:
        self._skip_spaces()
        match = _WORD.match(self.text, self.position)
        if match is None:
            self._fail(_A_TYPE)
        start, self.position = self.position, match.end()
        self._skip_spaces()
        if self._peek() != "=":
            self._fail(f"'=' after {match[0][:40]}")
        oid = keyword_oid(match[0])
        if oid is None:
            self.position = start
            self._fail("a known attribute type, or its object identifier (OID.1.2.3)", f"unknown type {match[0][:40]}")
        self.position += 1
        self._skip_spaces()
        return oid

    def _value(self) -> tuple[_Value, bool]:
        """The value, and whether spaces at its end are to go."""
        raise NotImplementedError

    def _hexadecimal(self) -> tuple[str | bytes, int] | None:
        """`#` and the DER of a value."""
        digits = _HEX.match(self.text, self.position + 1)
        content = digits[0] if digits else ""
        try:
            value = attribute_value(bytes.fromhex(content))
        except ValueError:
            # Too few digits, an odd number, or no DER.
            self.position += 1
            self._fail("the DER of a value in hexadecimal, or a backslash before the '#'")
        self.position += 1 + len(content)
        self._skip_spaces()
        return value

    def _escaped_bytes(self, value: _Value, lead: str) -> bool:
        """Bytes that were written in hexadecimal, one after the other, are UTF-8 together."""
        start = self.position
        octets = bytearray()
        while self.text.startswith(lead, self.position):
            match = _PAIR.match(self.text, self.position + len(lead))
            if match is None:
                break
            octets.append(int(match[0], 16))
            self.position = match.end()
        if not octets:
            return False
        try:
            value.add_escaped(octets.decode(), start)
        except UnicodeDecodeError as error:
            self.position = start + error.start * (len(lead) + 2)
            self._fail("bytes that are UTF-8")
        return True

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _skip_spaces(self) -> None:
        while self.text.startswith(" ", self.position):
            self.position += 1

    def _fail(self, expected: str, problem: str = "") -> NoReturn:
        raise NameSyntaxError(self.text, self.position + 1, expected, problem)


class _Rfc4514Reader(_Reader):
    _between = "',' or '+' between attributes, or a backslash before this character"

    def _value(self) -> tuple[_Value, bool]:
        value = _Value(self)
        if self._peek() == '"':
            self._quoted(value)
            self._skip_spaces()
            return value, False
        while plain := _PLAIN_4514.match(self.text, self.position) or self._peek() == "\\":
            if plain is True:
                self._escape(value)
            else:
                value.add(plain[0], self.position)
                self.position = plain.end()
        return value, True

    def _quoted(self, value: _Value) -> None:
        opening = self.position
        self.position += 1
        while self._peek() != '"':
            plain = _PLAIN_IN_QUOTES.match(self.text, self.position)
            if plain is not None:
                value.add(plain[0], self.position)
                self.position = plain.end()
            elif self._peek():
                self._escape(value)
            else:
                self._fail("a double quote that ends the value", f"the one at column {opening + 1} is never closed")
        self.position += 1

    def _escape(self, value: _Value) -> None:
        if self._escaped_bytes(value, "\\"):
            return
        self.position += 1
        if self._peek() not in _SPECIAL or not self._peek():
            self._fail(f"two hexadecimal digits or one of {_SPECIAL.strip()} or a space after the backslash")
        value.add_escaped(self._peek(), self.position)
        self.position += 1


class _WindowsReader(_Reader):
    separators = ",;\r\n"
    _between = "',' or ';' or '+' between attributes, or double quotes around the value"

    def _value(self) -> tuple[_Value, bool]:
        value = _Value(self)
        if self._peek() == '"':
            self._quoted(value)
            self._skip_spaces()
            return value, False
        if plain := _PLAIN_WINDOWS.match(self.text, self.position):
            value.add(plain[0], self.position)
            self.position = plain.end()
        return value, True

    def _quoted(self, value: _Value) -> None:
        opening = self.position
        self.position += 1
        while True:
            end = self.text.find('"', self.position)
            if end < 0:
                self.position = len(self.text)
                self._fail("a double quote that ends the value", f"the one at column {opening + 1} is never closed")
            value.add(self.text[self.position : end], self.position)
            self.position = end + 1
            if self._peek() != '"':
                return
            value.add('"', end)
            self.position += 1


class _OpensslReader(_Reader):
    separators = "/"
    _between = "'/' or '+' between attributes"

    def read(self) -> list[tuple[Attribute, ...]]:
        if self.text and self.text[0] != "/":
            self._fail("'/' at the start")
        self.position = min(1, len(self.text))
        return super().read()

    def _skip_spaces(self) -> None:
        # A space is a character of the value like any other.
        return

    def _hexadecimal(self) -> tuple[str | bytes, int] | None:
        # OpenSSL has no such form: `#` starts DER only when it is followed by DER and nothing else.
        position = self.position
        try:
            value = super()._hexadecimal()
        except NameSyntaxError:
            value = None
        if value is None or self._peek() not in ("", "/", "+"):
            self.position = position
            return None
        return value

    def _value(self) -> tuple[_Value, bool]:
        value = _Value(self)
        while plain := _PLAIN_OPENSSL.match(self.text, self.position) or self._peek() == "\\":
            if plain is not True:
                value.add(plain[0], self.position)
                self.position = plain.end()
            elif not self._escaped_bytes(value, "\\x"):
                self.position += 1
                if not self._peek():
                    self._fail("a character after the backslash")
                value.add_escaped(self._peek(), self.position)
                self.position += 1
        return value, False


_READERS: dict[Dialect, type[_Reader]] = {
    Dialect.RFC4514: _Rfc4514Reader,
    Dialect.WINDOWS: _WindowsReader,
    Dialect.OPENSSL: _OpensslReader,
}
