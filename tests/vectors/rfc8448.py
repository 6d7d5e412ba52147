"""Reads `rfc8448.txt`: the traces of RFC 8448 as dictionaries of bytes. What they prove is said where they are used."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["CERTIFICATES", "TRACES", "Trace", "record_matches"]


class Trace(dict[str, bytes]):
    """One section's values by name; a name that is not there says so."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self.digests: dict[str, str] = {}

    def __missing__(self, name: str) -> bytes:
        raise LookupError(f"{self.title} has no {name}")


def _decode(text: str) -> bytes:
    output = bytearray()
    for token in text.split():
        value, _, times = token.partition("*")
        output += bytes.fromhex(value) * (int(times) if times else 1)
    return bytes(output)


def _read() -> dict[str, Trace]:
    sections: dict[str, Trace] = {}
    # A value is one continued line; whitespace inside it separates tokens, which are decoded on their own, so a line
    # break in the middle of a value is always between two octets.
    current = Trace("")
    name = ""
    texts: dict[tuple[str, str], str] = {}
    for line in (Path(__file__).parent / "rfc8448.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            current = Trace(line.strip("[]"))
            sections[current.title] = current
        elif line.startswith("  "):
            texts[current.title, name] += " " + line.strip()
        elif line and not line.startswith("#"):
            name, _, text = line.partition(" = ")
            assert (current.title, name) not in texts, f"{name} twice in {current.title}"
            texts[current.title, name] = text
    for (title, key), text in texts.items():
        if text.startswith("sha256:"):
            sections[title].digests[key] = text.removeprefix("sha256:")
        else:
            sections[title][key] = _decode(text)
    return sections


def record_matches(trace: Trace, name: str, record: bytes) -> bool:
    """Whether a record is the one that the RFC prints."""
    if name in trace.digests:
        return hashlib.sha256(record).hexdigest() == trace.digests[name]
    return trace[name] == record


_SECTIONS = _read()
CERTIFICATES = _SECTIONS.pop("certificates")
"""Certificate messages that several traces share."""
TRACES = tuple(_SECTIONS.values())
"""The five traces, in the RFC's order."""
