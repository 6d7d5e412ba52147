"""The names in a request, judged one by one: alternative names and the subject, as strangers write them.

What is well-formed is RFC 5280 section 4.2.1.6's and RFC 1034's (letters, digits, hyphen); wildcards are RFC 9525's.
Whether the requester may have a name at all, nobody can read off a request: that is for whoever calls `issue`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from tlsocket.pki import der
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.authority.profiles import NameKind, Profile
from tlsocket.pki.authority.refusals import RequestRefusal, RequestRefused
from tlsocket.pki.certificates import printable
from tlsocket.pki.host_names import host_name_problem, is_mailbox
from tlsocket.pki.names import NameSyntaxError
from tlsocket.pki.names.attributes import attribute_type
from tlsocket.pki.trust.facts import general_names, read_name_constraints
from tlsocket.pki.trust.name_constraints import names_to_constrain, violation

__all__ = [
    "check_constraints",
    "check_names",
    "check_subject",
    "check_uri",
    "general_name",
    "looks_like_a_host",
    "name_text",
    "names_of",
]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
_URI_CHARACTERS = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_MAXIMUM_URI = 2048
_PREFIXES = ("dns:", "ip:", "email:", "uri:")
_MAXIMUM_ATTRIBUTES = 32
# Octets of a value of a type whose bound is larger, or that is not known: who asks is a stranger.
_LONGEST_VALUE = 255


def general_name(text: str) -> x509.GeneralName:
    """A name from words: `dns:www.example.org`, `ip:192.0.2.1`, `email:a@example.org`, `uri:spiffe://a/b`.

    Without a prefix an address, something with `@` or `://`, and a host name are told apart.
    """
    if not text.lower().startswith(_PREFIXES):
        kind = "ip" if _is_address(text) else "uri" if "://" in text else "email" if "@" in text else "dns"
        text = f"{kind}:{text}"
    try:
        names = SubjectAlternativeNames.parse(text).names
    except NameSyntaxError as error:
        names, why = (), f": expected {error.expected}"
    else:
        why = ": more than one name"
    if len(names) != 1:
        raise RequestRefused(
            RequestRefusal.BAD_NAME,
            printable(text[:100]) + why,
            "write dns:HOST, ip:ADDRESS, email:ADDRESS or uri:URI; an international host name in its xn-- form",
        )
    return names[0]


def name_text(name: x509.GeneralName) -> str:
    """A name for messages, shortened and without what could disturb a terminal."""
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri"}
    kind = kinds.get(type(name), type(name).__name__)
    value = printable(str(name.value))
    return f"{kind}:{value if len(value) <= 100 else value[:100] + '...'}"


def names_of(certificate: x509.Certificate) -> set[str]:
    """What people may call it, in small letters: its alternative names and its common name."""
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names += [str(name.value) for name in extension.value]
    return {name.lower() for name in names}


def check_names(names: Sequence[x509.GeneralName], profile: Profile) -> tuple[x509.GeneralName, ...]:
    """The names without repetitions; `RequestRefused` for the first that this profile does not certify."""
    if len(names) > profile.maximum_names:
        raise RequestRefused(
            RequestRefusal.TOO_MANY_NAMES,
            f"{len(names)}; the profile {profile.name} allows {profile.maximum_names}",
            "spread them over several certificates",
        )
    found: dict[tuple[type, object], x509.GeneralName] = {}
    for name in names:
        _check_name(name, profile)
        value = name.value.lower() if isinstance(name, x509.DNSName) else name.value
        found.setdefault((type(name), value), name)
    return tuple(found.values())


def _check_name(name: x509.GeneralName, profile: Profile) -> None:
    kind = {
        x509.DNSName: NameKind.DNS,
        x509.IPAddress: NameKind.IP,
        x509.RFC822Name: NameKind.EMAIL,
        x509.UniformResourceIdentifier: NameKind.URI,
    }.get(type(name))
    if kind is None or kind not in profile.name_kinds:
        allowed = ", ".join(sorted(known.value for known in profile.name_kinds)) or "no alternative names"
        raise RequestRefused(
            RequestRefusal.NAME_KIND, name_text(name), f"the profile {profile.name} certifies: {allowed}"
        )
    if isinstance(name, x509.DNSName):
        host = name.value
        if "*" in host:
            _check_wildcard(name, host, profile)
            host = host.removeprefix("*.")
        problem = _host_problem(host)
    elif isinstance(name, x509.IPAddress):
        problem = _address_problem(name.value)
    elif isinstance(name, x509.RFC822Name):
        problem = _email_problem(name.value)
    else:
        problem = _uri_problem(str(name.value))
    if problem:
        raise RequestRefused(RequestRefusal.BAD_NAME, f"{name_text(name)} {problem}", "correct the name in the request")


def check_uri(uri: str) -> None:
    """`RequestRefused` unless it is an absolute URI."""
    problem = _uri_problem(uri)
    if problem:
        raise RequestRefused(RequestRefusal.BAD_NAME, f"{printable(uri)[:100]} {problem}", "give an absolute URI")


def _check_wildcard(name: x509.GeneralName, host: str, profile: Profile) -> None:
    # RFC 9525 section 6.3: the whole left-most label, once. One label below it would cover a whole top-level domain.
    rest = host.removeprefix("*.")
    if not profile.wildcards:
        problem = f"the profile {profile.name} has none"
    elif rest == host or "*" in rest:
        problem = "a wildcard is the whole first label and stands alone"
    elif "." not in rest:
        problem = "a wildcard needs two labels behind it"
    else:
        return
    raise RequestRefused(RequestRefusal.WILDCARD, f"{name_text(name)}: {problem}", "name the hosts one by one")


def _host_problem(host: str) -> str:
    problem = host_name_problem(host)
    if problem:
        return problem
    for label in host.split("."):
        if label[2:4] == "--" and not _is_international(label.lower()):
            return f"has the reserved label {label!r}, which is no international one"
    return ""


def _is_international(label: str) -> bool:
    if not label.startswith("xn--"):
        return False
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        # Encoding it again must give the same, or two labels would be one name.
        return decoded.encode("punycode").decode("ascii") == label[4:] and not decoded.isascii()
    except (UnicodeError, ValueError, OverflowError):
        return False


def _address_problem(address: object) -> str:
    if not isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return "is a network, not an address"
    if address.is_unspecified or address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return "is no address that one host has"
    return ""


def _email_problem(address: str) -> str:
    return _host_problem(address.rpartition("@")[2]) if is_mailbox(address) else "is not an e-mail address"


def _uri_problem(uri: str) -> str:
    if not 0 < len(uri) <= _MAXIMUM_URI or not _URI_CHARACTERS.fullmatch(uri):
        return f"is not a URI of at most {_MAXIMUM_URI} characters"
    try:
        parts = urlsplit(uri)
        host, user = parts.hostname, parts.username
    except ValueError:
        return "is not a URI"
    if not _SCHEME.fullmatch(parts.scheme) or not uri[len(parts.scheme) + 1 :]:
        return "is not an absolute URI"
    if user is not None or "@" in parts.netloc:
        return "names a user before its host"
    if parts.netloc and host and not host.startswith("[") and ":" not in host:
        problem = _host_problem(host)
        return "" if not problem or _is_address(host) else problem
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_subject(subject: x509.Name, names: Iterable[x509.GeneralName], profile: Profile) -> None:
    """`RequestRefused` for a subject with odd characters or sizes, or with a host in its common name only."""
    attributes = list(subject)
    if len(attributes) > _MAXIMUM_ATTRIBUTES:
        raise RequestRefused(
            RequestRefusal.BAD_SUBJECT, f"{len(attributes)} attributes", f"use at most {_MAXIMUM_ATTRIBUTES}"
        )
    for attribute in attributes:
        problem = _attribute_problem(attribute)
        if problem:
            kind = attribute.rfc4514_attribute_name
            raise RequestRefused(RequestRefusal.BAD_SUBJECT, f"{kind} {problem}", "correct the subject in the request")
    if profile.is_authority:
        return
    certified = {
        str(name.value).lower() for name in names if isinstance(name, (x509.DNSName, x509.IPAddress, x509.RFC822Name))
    }
    for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        value = str(attribute.value)
        # Some programs still read the host from here, so here too stands only what was checked.
        if looks_like_a_host(value) and value.lower() not in certified:
            raise RequestRefused(
                RequestRefusal.COMMON_NAME,
                printable(value),
                f"ask for it as alternative name too (dns:{printable(value)}), or change the common name",
            )


def _attribute_problem(attribute: x509.NameAttribute[str | bytes]) -> str:
    value = attribute.value
    if isinstance(value, bytes):
        return "is not text"
    if not value.strip():
        return "is empty"
    if not value.isprintable():
        return f"has characters that cannot be printed: {printable(value)[:100]}"
    known = attribute_type(attribute.oid.dotted_string)
    limit = min((known and known.upper_bound) or _LONGEST_VALUE, _LONGEST_VALUE)
    # Octets, as `cryptography` counts them, though the standard means characters: it complains of what it cannot keep.
    if len(value.encode("utf-8", "replace")) > limit:
        return f"is longer than {limit} octets"
    if attribute.oid == NameOID.COUNTRY_NAME and not re.fullmatch(r"[A-Za-z]{2}", value):
        return f"is not a country code of two letters: {printable(value)}"
    return ""


def looks_like_a_host(text: str) -> bool:
    """Whether a program could take `text` for a host: an address, a wildcard, or labels with dots between them."""
    if _is_address(text):
        return True
    host = text.removeprefix("*.")
    return "." in host and " " not in host and not _host_problem(host)


def check_constraints(
    names: Sequence[x509.GeneralName], subject: x509.Name, issuers: Iterable[x509.Certificate]
) -> None:
    """`RequestRefused` for a name that an issuer's nameConstraints exclude (RFC 5280 section 4.2.1.10).

    What is refused here is what every verifier of ours would refuse.
    """
    alternative = general_names(der.split(x509.SubjectAlternativeName(names).public_bytes())[1]) if names else ()
    found = names_to_constrain(subject.public_bytes(), alternative)
    for issuer in issuers:
        try:
            extension = issuer.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        breach = violation(found, read_name_constraints(extension.public_bytes()))
        if breach is not None:
            raise RequestRefused(
                RequestRefusal.NAME_CONSTRAINT, breach.detail[:200], "use an authority that may certify it"
            )
