"""Is this text a host name, a mailbox? The one place where the letters, digits and hyphens of names are counted.

Host names have the preferred syntax of RFC 1034 section 3.5 as RFC 1123 section 2.1 widens it, mailboxes the dot-atom
of RFC 5322 section 3.2.3. All of it is ASCII: international names come as A-labels (RFC 5890 section 2.3.2.1). Whether
a name matches another, or whether somebody may have it, is `trust`'s and `authority`'s matter.
"""

from __future__ import annotations

import re

from tlsocket.pki.certificates import printable

__all__ = ["are_dns_names", "host_name_problem", "is_dns_name", "is_mailbox"]

_MAXIMUM_HOST_NAME = 253  # RFC 1034 section 3.1: 255 octets with the lengths of the labels and the root's
_MAXIMUM_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1.1

# Both cases spelt out, and hyphens at the ends looked at behind the fact: half the time of the obvious pattern, and
# certificates with hundreds of names are common.
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_ONE_LABEL = re.compile(_LABEL)
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
# One host name to a line, at least two labels after a wildcard, and none that ends in a number.
_LINE = rf"(?:\*\.(?=[^\n]*\.))?(?:{_LABEL}\.)*(?![0-9]+\n|0[xX]){_LABEL}\n"
_HOSTS = re.compile(rf"(?:{_LINE})*".encode())

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")


def is_dns_name(text: str, *, wildcard: bool = False) -> bool:
    """Whether `text` is a host name; with `wildcard` also one with `*.` before it."""
    if wildcard:
        text = text.removeprefix("*.")
    if len(text) > _MAXIMUM_HOST_NAME or _HOST.fullmatch(text) is None:
        return False
    return not _is_number(text.rpartition(".")[2])


def are_dns_names(names: list[bytes]) -> bool:
    """Whether each is a host name or a wildcard above two labels: one answer for many, in one go."""
    if max(map(len, names), default=0) > _MAXIMUM_HOST_NAME:
        return False
    lines = b"".join([name + b"\n" for name in names])
    return lines.count(b"\n") == len(names) and _HOSTS.fullmatch(lines) is not None


def host_name_problem(text: str) -> str:
    """What keeps `text` from being a host name, in words that follow it; empty when it is one."""
    if is_dns_name(text):
        return ""
    if not 0 < len(text) <= _MAXIMUM_HOST_NAME:
        return f"is not between 1 and {_MAXIMUM_HOST_NAME} characters long"
    for label in text.split("."):
        if not _ONE_LABEL.fullmatch(label):
            return f"has the label {printable(label)[:70]!r}, which is not letters, digits and inner hyphens"
    return "ends in a number: an address is a name of its own kind"


def is_mailbox(text: str) -> bool:
    """Whether `text` is an e-mail address at a host. Quoted local parts are legal, and nobody has one."""
    local, at, host = text.rpartition("@")
    return bool(at) and len(local) <= _MAXIMUM_LOCAL_PART and bool(_LOCAL_PART.fullmatch(local)) and is_dns_name(host)


def _is_number(label: str) -> bool:
    # What ends in a number is an address, of whatever form (RFC 1123 section 2.1).
    return label.isdigit() or label[:2] in ("0x", "0X")
