"""Subject alternative names (RFC 5280 section 4.2.1.6) as people write them: `dns:X,ip:Y,email:Z,uri:U`.

Reading checks the form of each name and says the column of what is wrong. Whether somebody may have a name is for the
authority to judge, whether a name matches a host is `tlsocket.pki.trust.service_identity`'s.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from cryptography import x509

from tlsocket.pki.certificates import printable
from tlsocket.pki.host_names import is_dns_name, is_mailbox
from tlsocket.pki.names import DistinguishedName, NameEncodingError, NameSyntaxError

__all__ = ["SubjectAlternativeNames"]

_MAXIMUM_TEXT = 65536
_KINDS = "dns:HOST, ip:ADDRESS, email:ADDRESS or uri:URI"
_SEPARATOR = re.compile(r",(?=\s*(?:dns|ip|email|uri):)", re.IGNORECASE)
_PREFIX = re.compile(r"\s*(dns|ip|email|uri):", re.IGNORECASE)

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+")


class SubjectAlternativeNames:
    """An immutable list of names without repetitions, in `cryptography`'s own classes."""

    __slots__ = ("names",)

    names: tuple[x509.GeneralName, ...]

    def __init__(self, names: Iterable[x509.GeneralName] = ()) -> None:
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("SubjectAlternativeNames do not change")

    @classmethod
    def parse(cls, text: str) -> SubjectAlternativeNames:
        """From `dns:www.example.org,ip:192.0.2.1,email:a@example.org,uri:https://example.org/`.

        Host names are ASCII (`xn--...` for others) and may start with `*.`. A comma within a URI stays part of it.
        Raises `NameSyntaxError` with the column and what was expected there.
        """
        if len(text) > _MAXIMUM_TEXT:
            raise NameSyntaxError(text, _MAXIMUM_TEXT + 1, f"at most {_MAXIMUM_TEXT} characters")
        found: list[x509.GeneralName] = []
        start = 0
        while start < len(text) or not found:
            separator = _SEPARATOR.search(text, start)
            end = separator.start() if separator else len(text)
            prefix = _PREFIX.match(text, start, end)
            if prefix is None:
                raise NameSyntaxError(text, start + 1, _KINDS)
            kind, value = prefix[1].lower(), text[prefix.end() : end]
            if kind != "uri" and "," in value:
                raise NameSyntaxError(text, prefix.end() + value.index(",") + 2, _KINDS)
            name = _READERS[kind](value.strip())
            if isinstance(name, str):
                raise NameSyntaxError(text, end - len(value.lstrip()) + 1, name)
            found.append(name)
            start = separator.end() if separator else len(text)
        return cls(found)

    @classmethod
    def from_extensions(cls, extensions: x509.Extensions) -> SubjectAlternativeNames:
        """Those of a certificate or a request; none when there is no such extension."""
        try:
            return cls(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            return cls()

    def extension(self) -> x509.SubjectAlternativeName:
        """The extension's value. `ValueError` when there is no name, as RFC 5280 wants one at least."""
        if not self.names:
            raise ValueError("there is no alternative name")
        return x509.SubjectAlternativeName(self.names)

    def __str__(self) -> str:
        return ",".join(map(_text, self.names))

    def __repr__(self) -> str:
        return f"<SubjectAlternativeNames {self}>"

    def __iter__(self) -> Iterator[x509.GeneralName]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return set(self.names) == set(other.names) if isinstance(other, SubjectAlternativeNames) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self.names))


def _dns(value: str) -> x509.GeneralName | str:
    host = value.removeprefix("*.")
    if not value.isascii():
        return "a host name in ASCII: an international one in its xn-- form"
    if host != value and "." not in host:
        return "at least two labels behind the wildcard"
    return x509.DNSName(value) if is_dns_name(host) else "a host name: labels of letters, digits and inner hyphens"


def _ip(value: str) -> x509.GeneralName | str:
    try:
        # A zone (`%eth0`) has a meaning on one machine only.
        return x509.IPAddress(ipaddress.ip_address("" if "%" in value else value))
    except ValueError:
        return "an IPv4 or IPv6 address"


def _email(value: str) -> x509.GeneralName | str:
    if not is_mailbox(value):
        return "an e-mail address in ASCII, such as a@example.org"
    return x509.RFC822Name(value)


def _uri(value: str) -> x509.GeneralName | str:
    expected = "an absolute URI in ASCII, such as https://example.org/"
    if not _URI.fullmatch(value):
        return expected
    try:
        urlsplit(value)
    except ValueError:
        return expected
    return x509.UniformResourceIdentifier(value)


_READERS: dict[str, Callable[[str], x509.GeneralName | str]] = {"dns": _dns, "ip": _ip, "email": _email, "uri": _uri}


def _text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DNSName):
        text = f"dns:{name.value}"
    elif isinstance(name, x509.IPAddress):
        text = f"ip:{name.value}"
    elif isinstance(name, x509.RFC822Name):
        text = f"email:{name.value}"
    elif isinstance(name, x509.UniformResourceIdentifier):
        text = f"uri:{name.value}"
    elif isinstance(name, x509.DirectoryName):
        try:
            text = f"directory:{DistinguishedName.from_x509(name.value)}"
        except NameEncodingError:
            text = "directory:unreadable"
    elif isinstance(name, x509.RegisteredID):
        text = f"id:{name.value.dotted_string}"
    elif isinstance(name, x509.OtherName):
        text = f"other:{name.type_id.dotted_string}"
    else:
        text = type(name).__name__
    return printable(text)
