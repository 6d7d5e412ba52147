"""Name constraints (RFC 5280 section 4.2.1.10): which names an authority may issue for.

The unknown is refused: a constraint of a form that is not understood forbids every name of that form. A wildcard is
taken for every name that it could stand for, so that `*.example.com` does not slip past an excluded
`bar.example.com`. Work is bounded before it begins. Which certificates are constrained by which is `checks`' matter.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tlsocket.pki import der
from tlsocket.pki.host_names import is_dns_name
from tlsocket.pki.names.comparison import is_within, normalized_der
from tlsocket.pki.names.encoding import NameEncodingError
from tlsocket.pki.trust.facts import CertificateFacts, GeneralName, MalformedCertificate, NameConstraints

__all__ = [
    "MAXIMUM_COMPARISONS",
    "Violation",
    "constrained_names",
    "form_problem",
    "names_to_constrain",
    "show",
    "subject_values",
    "violation",
]

MAXIMUM_COMPARISONS = 1 << 16
"""Names times constraints of one path; honest ones stay far below a thousand."""

RFC822, DNS, DIRECTORY, URI, IP = 1, 2, 4, 6, 7
FORMS = {0: "otherName", RFC822: "e-mail", DNS: "DNS", 3: "X.400", DIRECTORY: "directory", 5: "EDI"}
FORMS |= {URI: "URI", IP: "IP", 8: "registered"}

_EMAIL_ADDRESS = bytes.fromhex("2a864886f70d010901")
_COMMON_NAME = b"\x55\x04\x03"


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a name is not allowed: OpenSSL's number for it, and words."""

    code: int
    detail: str


def constrained_names(facts: CertificateFacts, *, common_name: bool) -> tuple[GeneralName, ...]:
    """The names that constraints apply to: subject, its e-mail addresses, and alternative names.

    With `common_name` one that looks like a host name counts where no alternative name is one. Raises
    `MalformedCertificate`.
    """
    return names_to_constrain(facts.subject, facts.alternative_names(), common_name=common_name)


def names_to_constrain(
    subject: bytes, alternative: tuple[GeneralName, ...], *, common_name: bool = False
) -> tuple[GeneralName, ...]:
    """`constrained_names` of a certificate that is not made yet: of a Name in DER and alternative names."""
    names: list[GeneralName] = []
    if len(subject) > 2:  # not an empty SEQUENCE
        names.append((DIRECTORY, subject))
        if not any(form == RFC822 for form, _ in alternative):
            names += [(RFC822, value) for value in subject_values(subject, _EMAIL_ADDRESS)]
        if common_name and not any(form == DNS for form, _ in alternative):
            values = subject_values(subject, _COMMON_NAME)
            names += [(DNS, value) for value in values if is_dns_name(value.decode("latin-1"))]
    return (*names, *alternative)


def subject_values(name: bytes, kind: bytes) -> Iterator[bytes]:
    """The values of one attribute in a Name, whatever their string type. Raises `MalformedCertificate`."""
    try:
        for rdn in der.elements(der.split(name)[1]):
            for attribute in der.elements(der.split(rdn)[1]):
                _, found, rest = der.split(der.split(attribute)[1])
                if found == kind:
                    yield der.split(rest)[1]
    except der.DerError as error:
        raise MalformedCertificate(f"its subject cannot be read: {error}") from None


def violation(names: tuple[GeneralName, ...], constraints: NameConstraints) -> Violation | None:
    """The first name that the constraints do not allow."""
    permitted, excluded, bounded = constraints
    forms = {form for form, _ in names}
    if bounded and any(form in forms for form, _ in (*permitted, *excluded)):
        return Violation(49, "its name constraints use minimum or maximum, which nobody supports")
    for form, name in names:
        wanted = [base for kind, base in permitted if kind == form]
        unwanted = [base for kind, base in excluded if kind == form]
        if not wanted and not unwanted:
            continue
        if form not in _MATCH:
            return Violation(51, f"its constraint on {FORMS.get(form, 'unknown')} names is of a form not supported")
        try:
            if wanted and not any(_matches(form, name, base, excluding=False) for base in wanted):
                allowed = ", ".join(show((form, base)) for base in wanted[:4])
                return Violation(47, f"{show((form, name))} is not within what it permits ({allowed})")
            for base in unwanted:
                if _matches(form, name, base, excluding=True):
                    return Violation(48, f"{show((form, name))} is within what it excludes ({show((form, base))})")
        except _UnsupportedSyntax as error:
            return Violation(error.code, str(error))
    return None


class _UnsupportedSyntax(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def _matches(form: int, name: bytes, base: bytes, *, excluding: bool) -> bool:
    return _MATCH[form](name, base, excluding)


def _text(value: bytes) -> str:
    return value.decode("latin-1").lower()


def _dns(name: bytes, base: bytes, excluding: bool) -> bool:
    host, zone = _text(name), _text(base)
    if not zone:
        return True
    if _within(host, zone):
        return True
    # `*.example.com` stands for `bar.example.com`, too.
    return excluding and host.startswith("*.") and zone.partition(".")[2] == host[2:]


def _within(host: str, zone: str) -> bool:
    if zone.startswith("."):
        return host.endswith(zone)
    return host == zone or host.endswith("." + zone)


def _rfc822(name: bytes, base: bytes, excluding: bool) -> bool:
    mailbox, at, host = name.decode("latin-1").rpartition("@")
    if not at or not mailbox or "@" in mailbox:
        raise _UnsupportedSyntax(53, f"{show((RFC822, name))} is not an e-mail address")
    zone = base.decode("latin-1")
    wanted, at, zone = zone.rpartition("@")
    if "@" in wanted:
        raise _UnsupportedSyntax(52, f"its e-mail constraint {show((RFC822, base))} is not an e-mail address or domain")
    host, zone = host.lower(), zone.lower()
    if at:
        return mailbox == wanted and host == zone
    return host.endswith(zone) if zone.startswith(".") else not zone or host == zone


def _uri(name: bytes, base: bytes, excluding: bool) -> bool:
    _, colon, rest = _text(name).partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    if not colon or not is_dns_name(host):
        raise _UnsupportedSyntax(53, f"{show((URI, name))} has no host name that a constraint could apply to")
    zone = _text(base)
    return host.endswith(zone) if zone.startswith(".") else host == zone


def _ip(name: bytes, base: bytes, excluding: bool) -> bool:
    if len(name) not in (4, 16):
        raise _UnsupportedSyntax(53, "an IP address in it is neither of version 4 nor of version 6")
    if len(base) not in (8, 32):
        raise _UnsupportedSyntax(53, "its constraint on IP addresses is not an address and a mask")
    size = len(base) // 2
    if len(name) != size:
        return False
    return all((n ^ b) & m == 0 for n, b, m in zip(name, base[:size], base[size:], strict=True))


def _directory(name: bytes, base: bytes, excluding: bool) -> bool:
    try:
        return is_within(normalized_der(name), normalized_der(base))
    except NameEncodingError:
        raise _UnsupportedSyntax(53, "a directory name in it cannot be read") from None


_MATCH = {RFC822: _rfc822, DNS: _dns, DIRECTORY: _directory, URI: _uri, IP: _ip}


def form_problem(constraints: NameConstraints) -> str:
    """What is wrong with the form of constraints (RFC 5280 section 4.2.1.10), or an empty string."""
    permitted, excluded, _ = constraints
    if not permitted and not excluded:
        return "its name constraints are empty"
    for form, base in (*permitted, *excluded):
        text = base.decode("latin-1")
        if form == DNS and text and not is_dns_name(text):
            return f"its constraint {show((form, base))} is not a host name"
        if form == RFC822:
            mailbox, at, host = text.rpartition("@")
            if (at and not mailbox) or "@" in mailbox or not is_dns_name(host.removeprefix("." if not at else "")):
                return f"its constraint {show((form, base))} is neither an e-mail address nor a domain"
        if form == IP and not _is_network(base):
            return "its constraint on IP addresses is not an address and a mask"
    return ""


def _is_network(base: bytes) -> bool:
    size = len(base) // 2
    if size not in (4, 16) or len(base) % 2:
        return False
    mask = int.from_bytes(base[size:], "big")
    hosts = mask ^ ((1 << (8 * size)) - 1)
    return hosts & (hosts + 1) == 0


def show(name: GeneralName) -> str:
    """A name or a constraint for people."""
    form, value = name
    if form == IP:
        if len(value) in (4, 16):
            return str(ipaddress.ip_address(value))
        if len(value) in (8, 32) and _is_network(value):
            size = len(value) // 2
            return f"{ipaddress.ip_address(value[:size])}/{int.from_bytes(value[size:], 'big').bit_count()}"
        return value.hex()
    if form == DIRECTORY:
        try:
            return _directory_text(value)
        except der.DerError:
            return value.hex()
    if form in (RFC822, DNS, URI):
        text = value.decode("latin-1")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return FORMS.get(form, "a name of unknown form")


def _directory_text(value: bytes) -> str:
    parts = []
    for rdn in der.elements(der.split(value)[1]):
        for attribute in der.elements(der.split(rdn)[1]):
            _, _, rest = der.split(der.split(attribute)[1])
            parts.append(der.split(rest)[1].decode("utf-8", "replace"))
    text = ", ".join(parts) or "the empty name"
    return "".join(c if c.isprintable() else "?" for c in text)
