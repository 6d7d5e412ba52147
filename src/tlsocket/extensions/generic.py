"""Encodings that several extensions share: nothing at all, and bytes that somebody else takes apart."""

from __future__ import annotations

from tlsocket.extensions.block import Codec
from tlsocket.wire import Reader, Writer

__all__ = ["EMPTY", "RAW"]


def _parse_empty(reader: Reader) -> bool:
    # The block refuses what is left unread, so there is nothing to check.
    return True


def _serialize_empty(writer: Writer, value: bool) -> None:
    pass


def _parse_raw(reader: Reader) -> bytes:
    return reader.rest()


def _serialize_raw(writer: Writer, value: bytes) -> None:
    writer.raw(value)


EMPTY = Codec(_parse_empty, _serialize_empty)
"""`struct {} Empty`: being there is all that the extension says."""

RAW = Codec(_parse_raw, _serialize_raw)
"""The data as it came, for extensions whose contents are taken apart where they are used."""
