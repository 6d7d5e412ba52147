"""Rules for one certificate, by its place in the path: what RFC 5280 section 4 and the Baseline Requirements ask for.

A rule looks at nothing but the certificate, so its verdict is kept with it. Each returns what is wrong, in words that
follow the certificate's name, or an empty string. What depends on the rest of the path, the time or the name is in
`checks`; which rules a profile has, in `profiles`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from tlsocket.pki.certificates import Purpose
from tlsocket.pki.errors import Refusal
from tlsocket.pki.host_names import are_dns_names, is_dns_name
from tlsocket.pki.trust import facts as f
from tlsocket.pki.trust import name_constraints as nc
from tlsocket.pki.trust.algorithms import key_strength
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate
from tlsocket.pki.trust.profiles import Check, Profile

__all__ = ["ALONE", "ANCHOR", "INTERMEDIATE", "LEAF", "RULES", "Rule", "RuleSet", "rule_set"]

LEAF, INTERMEDIATE, ANCHOR, ALONE = 1, 2, 4, 8
"""Places in a path, as bits. ALONE is a leaf that is itself trusted."""

_ISSUER = INTERMEDIATE | ANCHOR
_ISSUED = LEAF | INTERMEDIATE
_CHAIN = LEAF | INTERMEDIATE | ANCHOR
_ANY = _CHAIN | ALONE
_END = LEAF | ALONE

SERVER_AUTH = bytes.fromhex("2b06010505070301")
CLIENT_AUTH = bytes.fromhex("2b06010505070302")
ANY_EXTENDED_KEY_USAGE = bytes.fromhex("551d2500")
# Netscape's and Microsoft's Server Gated Crypto, which OpenSSL still takes for serverAuth.
_GATED = (bytes.fromhex("6086480186f8420401"), bytes.fromhex("2b0601040182370a0303"))
PURPOSES = {Purpose.SERVER: frozenset({SERVER_AUTH, *_GATED}), Purpose.CLIENT: frozenset({CLIENT_AUTH})}

_COMMON_NAME = bytes.fromhex("0603550403")
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")

_HANDLED = frozenset(
    {
        f.SUBJECT_KEY_IDENTIFIER,
        f.KEY_USAGE,
        f.SUBJECT_ALTERNATIVE_NAME,
        f.BASIC_CONSTRAINTS,
        f.NAME_CONSTRAINTS,
        f.CERTIFICATE_POLICIES,
        f.POLICY_MAPPINGS,
        f.POLICY_CONSTRAINTS,
        f.EXTENDED_KEY_USAGE,
        f.INHIBIT_ANY_POLICY,
        f.CRL_DISTRIBUTION_POINTS,
    }
)
_USAGE_NAMES = {
    SERVER_AUTH: "serverAuth",
    CLIENT_AUTH: "clientAuth",
    bytes.fromhex("2b06010505070303"): "codeSigning",
    bytes.fromhex("2b06010505070304"): "emailProtection",
    bytes.fromhex("2b06010505070308"): "timeStamping",
    bytes.fromhex("2b06010505070309"): "OCSPSigning",
    ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
_PURPOSE_WORDS = {
    Purpose.SERVER: "identify a server (serverAuth)",
    Purpose.CLIENT: "identify a client (clientAuth)",
}

_Test = Callable[[CertificateFacts, Profile, Purpose], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: where it holds, how it is tested, and what its breach is called."""

    check: Check | None
    """The switch; None: it cannot be switched off."""
    places: int
    test: _Test
    refusal: Refusal
    code: int
    """OpenSSL's number."""
    remedy: str
    issuer_code: int = 0
    """OpenSSL's number where it is another one for an issuer."""


class RuleSet:
    """The rules of one profile and purpose for one place; its verdicts are kept with each certificate."""

    __slots__ = ("_profile", "_purpose", "_tests")

    def __init__(self, profile: Profile, purpose: Purpose, place: int) -> None:
        self._profile = profile
        self._purpose = purpose
        checks = profile.checks
        rules = [rule for rule in RULES if rule.places & place and (rule.check is None or rule.check in checks)]
        self._tests = [(rule.test, rule) for rule in rules]

    def breaches(self, facts: CertificateFacts) -> tuple[tuple[Rule, str], ...]:
        """The rules that the certificate breaks, with words."""
        known: tuple[tuple[Rule, str], ...] | None = facts.passed.get(self)
        if known is None:
            profile, purpose = self._profile, self._purpose
            known = tuple([(rule, detail) for test, rule in self._tests if (detail := test(facts, profile, purpose))])
            if len(facts.passed) > 16:
                facts.passed.clear()
            facts.passed[self] = known
        return known


@lru_cache(maxsize=128)
def rule_set(profile: Profile, purpose: Purpose, place: int) -> RuleSet:
    """The rules for a place; the same object for the same profile."""
    return RuleSet(profile, purpose, place)


def _malformed(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return f"cannot be used: {facts.malformed}" if facts.malformed else ""


def _key(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    kind, bits = key_strength(facts.certificate)
    if kind == "rsa":
        if bits < profile.minimum_rsa_bits:
            return f"has a key that is too weak: RSA {bits}"
        if bits % profile.rsa_bits_multiple_of:
            return f"has an RSA key of {bits} bits, which is not a multiple of {profile.rsa_bits_multiple_of}"
        return ""
    if kind in profile.curves:
        return ""
    if kind == "unreadable":
        return "has a key that cannot be read (a curve must be named)"
    return f"has a key of a kind that is too weak or not allowed: {kind}"


def _named_curve(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    info = facts.public_key_info
    place = info.find(_EC_PUBLIC_KEY, 2, 24)
    if place > 0 and info[place + len(_EC_PUBLIC_KEY)] != 0x06:
        return "has a key whose curve is spelt out instead of named"
    return ""


def _authority(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "" if facts.ca else "issued a certificate but is not an authority (basicConstraints)"


def _anchor_authority(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    # Old roots: version 1, or without basicConstraints but with keyCertSign.
    old = (facts.version == 1 and facts.self_issued) or (facts.key_usage or 0) & f.KEY_CERT_SIGN
    if facts.ca is None and old:
        return ""
    return _authority(facts, profile, purpose)


def _explicit_authority(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "does not say that it is an authority (basicConstraints)" if facts.ca is None else ""


def _cert_sign(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.key_usage is None or facts.key_usage & f.KEY_CERT_SIGN:
        return ""
    return "issued a certificate but its key may not do that (keyUsage lacks keyCertSign)"


def purpose_words(facts: CertificateFacts) -> str:
    """The extended key usages, for people."""
    return ", ".join(_USAGE_NAMES.get(usage, f.dotted(usage)) for usage in facts.extended_key_usage or ())


def _purpose(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    usages = facts.extended_key_usage
    if usages is not None and PURPOSES[purpose].isdisjoint(usages):
        return f"may not be used to {_PURPOSE_WORDS[purpose]}, only for: {purpose_words(facts)}"
    return ""


def _leaf_key_usage(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    wanted = f.DIGITAL_SIGNATURE | f.KEY_AGREEMENT
    if purpose is Purpose.SERVER:
        wanted |= f.KEY_ENCIPHERMENT
    if facts.key_usage is None or facts.key_usage & wanted:
        return ""
    return f"may not be used to {_PURPOSE_WORDS[purpose]}: its keyUsage lacks digitalSignature"


def _critical(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    for kind, (critical, _) in facts.extensions.items():
        if critical and kind not in _HANDLED:
            return f"has a critical extension that is not understood: {f.dotted(kind)}"
    return ""


def _path_length_place(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.path_length is None:
        return ""
    if not facts.ca:
        return "has a path length but is no authority"
    return "" if (facts.key_usage or 0) & f.KEY_CERT_SIGN else "has a path length without keyCertSign"


def _basic_critical(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.ca and not facts.is_critical(f.BASIC_CONSTRAINTS):
        return "has basicConstraints that are not critical"
    return ""


def _authority_key_usage(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "is an authority without keyUsage" if facts.ca and facts.key_usage is None else ""


def _leaf_cert_sign(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if not facts.ca and (facts.key_usage or 0) & f.KEY_CERT_SIGN:
        return "is no authority but has keyCertSign"
    return ""


def _issuer_name(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "has an empty issuer" if len(facts.issuer) == 2 else ""


def _subject_name(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if not facts.has_empty_subject:
        return ""
    if facts.ca or (facts.key_usage or 0) & f.CRL_SIGN or f.SUBJECT_ALTERNATIVE_NAME not in facts.extensions:
        return "has an empty subject"
    return ""


def _empty_subject(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.has_empty_subject and f.SUBJECT_ALTERNATIVE_NAME in facts.extensions:
        return "" if facts.is_critical(f.SUBJECT_ALTERNATIVE_NAME) else "has neither a subject nor a critical SAN"
    return ""


def _names_present(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if f.SUBJECT_ALTERNATIVE_NAME not in facts.extensions:
        return ""
    try:
        return "" if facts.alternative_names() else "has an empty subjectAltName"
    except MalformedCertificate as error:
        return f"cannot be used: {error}"


def _algorithms_agree(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "" if facts.inner_algorithm == facts.signature_algorithm else "names two different signature algorithms"


def _authority_identifier_critical(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "has a critical authorityKeyIdentifier" if facts.is_critical(f.AUTHORITY_KEY_IDENTIFIER) else ""


def _subject_identifier_critical(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "has a critical subjectKeyIdentifier" if facts.is_critical(f.SUBJECT_KEY_IDENTIFIER) else ""


def _authority_identifier(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.authority_key_identifier is None and facts.version == 3:
        return "has no authorityKeyIdentifier"
    return ""


def _subject_identifier(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.ca and facts.subject_key_identifier is None and facts.version == 3:
        return "is an authority without subjectKeyIdentifier"
    return ""


def _version(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return f"is of version {facts.version} but has extensions" if facts.version < 3 and facts.extensions else ""


def _version_3(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "" if facts.version == 3 else f"is of version {facts.version}"


def _serial(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    serial = facts.serial
    if serial[0] & 0x80 or not any(serial):
        return "has a serial number that is not positive"
    return "has a serial number of more than 20 octets" if len(serial) > 20 else ""


def _decodes(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "" if facts.all_extensions_decode() else "has an extension that is not what its identifier says"


def _criticality(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if facts.is_critical(f.AUTHORITY_INFORMATION_ACCESS):
        return "has a critical authorityInfoAccess"
    found = facts.extensions.get(f.POLICY_CONSTRAINTS)
    return "has policyConstraints that are not critical" if found is not None and not found[0] else ""


def _root_identifier(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    if f.AUTHORITY_KEY_IDENTIFIER not in facts.extensions or not facts.self_issued:
        return ""
    if facts.authority_key_identifier is None or facts.authority_key_identifier_issuer:
        return "is a root whose authorityKeyIdentifier is not just a keyIdentifier"
    if facts.authority_key_identifier != facts.subject_key_identifier:
        return "is a root whose authorityKeyIdentifier is not its own key's"
    return ""


def _root_purpose(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "is a root with extendedKeyUsage" if facts.self_issued and facts.extended_key_usage is not None else ""


def _not_authority(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "is an authority's, not a server's or client's" if facts.ca else ""


def _leaf_purpose(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    usages = facts.extended_key_usage
    if usages is None:
        return "has no extendedKeyUsage"
    if ANY_EXTENDED_KEY_USAGE in usages:
        return "has anyExtendedKeyUsage"
    return "has a critical extendedKeyUsage" if facts.is_critical(f.EXTENDED_KEY_USAGE) else ""


def _leaf_constraints(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    return "is a leaf with nameConstraints" if f.NAME_CONSTRAINTS in facts.extensions else ""


def _alternative_names(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    found = facts.extensions.get(f.SUBJECT_ALTERNATIVE_NAME)
    if found is None:
        return "has no subjectAltName"
    if found[0] is not facts.has_empty_subject:
        return f"has a subjectAltName that is {'' if found[0] else 'not '}critical"
    try:
        names = facts.alternative_names()
    except MalformedCertificate as error:
        return f"cannot be used: {error}"
    hosts = [value for form, value in names if form == nc.DNS]
    if are_dns_names(hosts):
        if len(hosts) == len(names):
            return ""
        names = tuple([name for name in names if name[0] != nc.DNS])
    for form, value in names:
        if not _is_valid_name(form, value):
            return f"has an alternative name that is not a valid one: {nc.show((form, value))}"
    return ""


def _is_valid_name(form: int, value: bytes) -> bool:
    text = value.decode("latin-1")
    if form == nc.DNS:
        return is_dns_name(text, wildcard=True) and not (text.startswith("*.") and "." not in text[2:])
    if form == nc.IP:
        return len(value) in (4, 16)
    return form != nc.RFC822 or _is_mailbox(text)


def _is_mailbox(text: str) -> bool:
    mailbox, at, host = text.rpartition("@")
    return bool(at and mailbox) and "@" not in mailbox and is_dns_name(host)


def _common_name(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    """A common name in the shape of a server's name says nothing that the alternative names do not.

    It is one of them character by character, or a domain above one. Where all of them are addresses, a host name has
    nothing to be a copy of.
    """
    subject = facts.subject
    place = subject.find(_COMMON_NAME)
    if purpose is not Purpose.SERVER or place < 0:
        return ""
    try:
        if subject.find(_COMMON_NAME, place + 1) < 0:
            # The usual case without taking the name apart: the one common name there is (or what looks like one
            # inside another value, and then there is none) is an alternative name.
            value = subject[place + 7 : place + 7 + subject[place + 6]]
            if (nc.DNS, value) in facts.alternative_names():
                return ""
        values = [v for v in nc.subject_values(facts.subject, b"\x55\x04\x03") if _looks_like_a_server(v)]
        hosts = [value for form, value in facts.alternative_names() if form == nc.DNS]
        addresses = [value for form, value in facts.alternative_names() if form == nc.IP and len(value) in (4, 16)]
    except (MalformedCertificate, IndexError) as error:
        return f"cannot be used: {error}"
    texts = {str(ipaddress.ip_address(value)).encode() for value in addresses}
    for value in values:
        is_host = is_dns_name(value.decode("latin-1"), wildcard=True)
        if value in texts or value in hosts or any(host.endswith(b"." + value) for host in hosts):
            continue
        if not is_host or hosts:
            return f"has a common name that is not one of its alternative names: {nc.show((nc.DNS, value))}"
    return ""


def _looks_like_a_server(value: bytes) -> bool:
    return b"." in value or b":" in value or value[:2] in (b"0x", b"0X")


def _constraints_form(facts: CertificateFacts, profile: Profile, purpose: Purpose) -> str:
    try:
        constraints = facts.name_constraints()
    except MalformedCertificate as error:
        return f"cannot be used: {error}"
    problem = "" if constraints is None else nc.form_problem(constraints)
    return f"cannot be used: {problem}" if problem else ""


_PROPER = "have it issued by a proper authority"
_ANEW = "have it issued anew as RFC 5280 section 4 asks, or use the profile 'openssl'"
_BASELINE = "have it issued anew as the Baseline Requirements ask, or use another profile than 'webpki'"
_FOR_PURPOSE = "use one that was issued for this purpose (extendedKeyUsage, keyUsage)"
_WITHOUT = "use a certificate without it; a critical extension must not be ignored (RFC 5280 section 4.2)"
_STRONGER = "get one with an ECDSA key on P-256 or P-384, or an RSA key of 2048 bits or more"
_DAMAGED = "it is damaged or wrongly made: have it issued anew"
_ODD = Refusal.NONCONFORMING

RULES = (
    Rule(Check.KEY_STRENGTH, _ANY, _key, Refusal.WEAK_KEY, 66, _STRONGER, 67),
    Rule(Check.KEY_STRENGTH, _CHAIN, _named_curve, Refusal.WEAK_KEY, 94, _STRONGER),
    Rule(None, _ANY, _malformed, Refusal.MALFORMED, 41, _DAMAGED),
    Rule(Check.CRITICAL_EXTENSIONS, _ANY, _critical, Refusal.UNHANDLED_CRITICAL_EXTENSION, 34, _WITHOUT),
    Rule(Check.KEY_USAGE, _ISSUER, _cert_sign, Refusal.INVALID_CA, 79, _PROPER),
    Rule(None, INTERMEDIATE, _authority, Refusal.INVALID_CA, 79, _PROPER),
    Rule(None, ANCHOR, _anchor_authority, Refusal.INVALID_CA, 79, _PROPER),
    Rule(Check.EXPLICIT_AUTHORITY, ANCHOR, _explicit_authority, Refusal.INVALID_CA, 79, _PROPER),
    Rule(Check.PATH_LENGTH_PLACE, _CHAIN, _path_length_place, _ODD, 81, _ANEW),
    Rule(Check.BASIC_CONSTRAINTS_CRITICAL, _CHAIN, _basic_critical, _ODD, 89, _ANEW),
    Rule(Check.AUTHORITY_KEY_USAGE, _CHAIN, _authority_key_usage, _ODD, 92, _ANEW),
    Rule(Check.LEAF_KEY_CERT_SIGN, _CHAIN, _leaf_cert_sign, _ODD, 82, _ANEW),
    Rule(Check.ISSUER_NAME, _CHAIN, _issuer_name, _ODD, 83, _ANEW),
    Rule(Check.SUBJECT_NAME, _CHAIN, _subject_name, _ODD, 84, _ANEW),
    Rule(Check.SUBJECT_NAME, _CHAIN, _empty_subject, _ODD, 88, _ANEW),
    Rule(Check.ALTERNATIVE_NAMES_PRESENT, _CHAIN, _names_present, _ODD, 87, _ANEW),
    Rule(Check.SIGNATURE_ALGORITHM_FIELDS, _CHAIN, _algorithms_agree, _ODD, 78, _ANEW),
    Rule(Check.KEY_IDENTIFIERS_CRITICAL, _CHAIN, _authority_identifier_critical, _ODD, 90, _ANEW),
    Rule(Check.KEY_IDENTIFIERS_CRITICAL, _CHAIN, _subject_identifier_critical, _ODD, 91, _ANEW),
    Rule(Check.AUTHORITY_KEY_IDENTIFIER, _ISSUED, _authority_identifier, _ODD, 85, _ANEW),
    Rule(Check.SUBJECT_KEY_IDENTIFIER, _CHAIN, _subject_identifier, _ODD, 86, _ANEW),
    Rule(Check.VERSION, _CHAIN, _version, _ODD, 93, _ANEW),
    Rule(Check.PURPOSE, _ANY, _purpose, Refusal.INVALID_PURPOSE, 26, _FOR_PURPOSE),
    Rule(Check.PURPOSE, _END, _leaf_key_usage, Refusal.INVALID_PURPOSE, 26, _FOR_PURPOSE),
    Rule(Check.VERSION_3, _ANY, _version_3, _ODD, 1, _BASELINE),
    Rule(Check.SERIAL_NUMBER, _ISSUED | ALONE, _serial, _ODD, 1, _BASELINE),
    Rule(Check.EXTENSIONS_DECODE, _ANY, _decodes, Refusal.MALFORMED, 41, _DAMAGED),
    Rule(Check.EXTENSIONS_CRITICAL, _ANY, _criticality, _ODD, 41, _BASELINE),
    Rule(Check.ROOT_KEY_IDENTIFIER, ANCHOR, _root_identifier, _ODD, 30, _BASELINE),
    Rule(Check.ROOT_PURPOSE, ANCHOR, _root_purpose, _ODD, 1, _BASELINE),
    Rule(Check.LEAF_NOT_AUTHORITY, _END, _not_authority, _ODD, 37, _BASELINE),
    Rule(Check.LEAF_PURPOSE, _END, _leaf_purpose, Refusal.INVALID_PURPOSE, 26, _BASELINE),
    Rule(Check.LEAF_NAME_CONSTRAINTS, _END, _leaf_constraints, _ODD, 41, _BASELINE),
    Rule(Check.ALTERNATIVE_NAMES, _END, _alternative_names, _ODD, 53, _BASELINE),
    Rule(Check.COMMON_NAME, _END, _common_name, _ODD, 53, _BASELINE),
    Rule(Check.NAME_CONSTRAINTS_FORM, _ISSUER, _constraints_form, _ODD, 52, _BASELINE),
)
"""In the order in which OpenSSL looks, where it looks."""
