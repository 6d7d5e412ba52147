"""What is asked of a certification path, as data: the checks by name, and three profiles that differ in nothing else.

`openssl` is what the standard library's `ssl` accepts by default, `strict` what it accepts with `VERIFY_X509_STRICT`
and `VERIFY_X509_PARTIAL_CHAIN` (the default of Python 3.13's `create_default_context`), `webpki` what browsers and the
CA/Browser Forum's Baseline Requirements ask for. No code of a check is here: that is `checks`. What no profile can
leave out has no name here: an anchor, right signatures, an issuer that is an authority, and what is distrusted.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace

__all__ = ["OPENSSL", "PROFILES", "STRICT", "WEBPKI", "Check", "Profile"]


class Check(enum.Enum):
    """A check that can be switched. The value is the rule, for people."""

    # Members are looked up in sets on every handshake; identity is what equality means for them anyway.
    __hash__ = object.__hash__

    # RFC 5280 section 6.1, asked for by every profile
    VALIDITY = "every certificate is within its dates"
    KEY_STRENGTH = "every key is strong enough, on a curve that is allowed"
    SIGNATURE_STRENGTH = "no signature below the anchor uses a weak algorithm"
    PATH_LENGTH = "no authority has more authorities below it than it allows"
    KEY_USAGE = "an issuer's key usage, where there is one, has keyCertSign"
    PURPOSE = "extended key usages, from the leaf up, admit the purpose, and the leaf's key usage too"
    CRITICAL_EXTENSIONS = "no critical extension is unknown"
    NAME_CONSTRAINTS = "the names are within the constraints of every authority above"
    SERVICE_IDENTITY = "the certificate names the server (RFC 9525)"
    KEY_IDENTIFIERS = "where authority and subject key identifiers are both given, they fit"

    # X.509 version 3 as RFC 5280 section 4 has it: OpenSSL's strict mode
    EXPLICIT_AUTHORITY = "anchors, too, say that they are authorities (basicConstraints)"
    PATH_LENGTH_PLACE = "a path length stands only beside CA:TRUE and keyCertSign"
    BASIC_CONSTRAINTS_CRITICAL = "an authority's basicConstraints are critical"
    AUTHORITY_KEY_USAGE = "an authority has a keyUsage"
    LEAF_KEY_CERT_SIGN = "who is no authority has no keyCertSign"
    ISSUER_NAME = "the issuer's name is not empty"
    SUBJECT_NAME = "the subject's name is not empty, unless a critical subjectAltName stands for it"
    ALTERNATIVE_NAMES_PRESENT = "a subjectAltName holds a name"
    SIGNATURE_ALGORITHM_FIELDS = "both signature algorithm fields agree"
    KEY_IDENTIFIERS_CRITICAL = "key identifiers are not critical"
    AUTHORITY_KEY_IDENTIFIER = "every certificate but the anchor has an authorityKeyIdentifier"
    SUBJECT_KEY_IDENTIFIER = "an authority has a subjectKeyIdentifier"
    VERSION = "extensions stand in version 3 only"

    # The Baseline Requirements
    VERSION_3 = "every certificate is of version 3"
    SERIAL_NUMBER = "serial numbers are positive and have at most 20 octets"
    EXTENSIONS_DECODE = "every known extension is what its standard says"
    EXTENSIONS_CRITICAL = "extensions are critical where they must be, and not where they must not"
    ROOT_KEY_IDENTIFIER = "an anchor's authorityKeyIdentifier is its own key's, and nothing else"
    ROOT_PURPOSE = "an anchor has no extendedKeyUsage"
    LEAF_NOT_AUTHORITY = "the leaf is no authority"
    LEAF_PURPOSE = "the leaf's extendedKeyUsage is there, not critical, and without anyExtendedKeyUsage"
    LEAF_NAME_CONSTRAINTS = "the leaf has no nameConstraints"
    ALTERNATIVE_NAMES = "the leaf has a subjectAltName, critical only if the subject is empty, with names of valid form"
    COMMON_NAME = "a common name in the shape of a server's name repeats an alternative name, or a domain above one"
    CRL_NUMBER = "a revocation list has a number, and it is not critical"
    NAME_CONSTRAINTS_FORM = "name constraints are not empty and of valid form"


_ALL_PROFILES = frozenset(
    {
        Check.VALIDITY,
        Check.KEY_STRENGTH,
        Check.SIGNATURE_STRENGTH,
        Check.PATH_LENGTH,
        Check.KEY_USAGE,
        Check.PURPOSE,
        Check.CRITICAL_EXTENSIONS,
        Check.NAME_CONSTRAINTS,
        Check.SERVICE_IDENTITY,
        Check.KEY_IDENTIFIERS,
    }
)
_RFC_5280 = frozenset(
    {
        Check.EXPLICIT_AUTHORITY,
        Check.PATH_LENGTH_PLACE,
        Check.BASIC_CONSTRAINTS_CRITICAL,
        Check.AUTHORITY_KEY_USAGE,
        Check.LEAF_KEY_CERT_SIGN,
        Check.ISSUER_NAME,
        Check.SUBJECT_NAME,
        Check.ALTERNATIVE_NAMES_PRESENT,
        Check.SIGNATURE_ALGORITHM_FIELDS,
        Check.KEY_IDENTIFIERS_CRITICAL,
        Check.AUTHORITY_KEY_IDENTIFIER,
        Check.SUBJECT_KEY_IDENTIFIER,
        Check.VERSION,
    }
)
_SHA2 = ("sha256", "sha384", "sha512")
_WEB_ALGORITHMS = frozenset(f"{kind}-{name}" for kind in ("rsa", "rsa-pss", "ecdsa") for name in _SHA2)
_ALGORITHMS = _WEB_ALGORITHMS | {"rsa-sha224", "rsa-pss-sha224", "ecdsa-sha224", "ed25519", "ed448"}
_WEB_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_CURVES = _WEB_CURVES | {
    *("secp224r1", "secp256k1", "sect233k1", "sect233r1", "sect283k1", "sect283r1", "sect409k1", "sect409r1"),
    *("sect571k1", "sect571r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "ed25519", "ed448"),
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Profile:
    """What is asked of a path. Immutable; `without` and `including` make others."""

    name: str
    checks: frozenset[Check]
    partial_chain: bool
    """Whether a trusted certificate ends a path although it is not self-signed."""
    common_name: bool
    """Whether a common name counts as host name where no subjectAltName has one (RFC 9525 section 6.3: no)."""
    signature_algorithms: frozenset[str]
    curves: frozenset[str]
    """Elliptic curves of keys, by `cryptography`'s names, and `ed25519`, `ed448`."""
    minimum_rsa_bits: int = 2048
    rsa_bits_multiple_of: int = 1
    maximum_depth: int = 100
    """Authorities between leaf and anchor; self-issued ones do not count (RFC 5280 section 6.1.4 (l))."""
    switched_off: frozenset[Check] = frozenset()
    """What the profile of this name asks for and this one does not."""

    def __repr__(self) -> str:
        off = "".join(f" without {name}" for name in sorted(check.name for check in self.switched_off))
        return f"<Profile {self.name}{off}>"

    @property
    def fingerprint(self) -> str:
        """The same for every profile that asks for the same."""
        values = [getattr(self, each.name) for each in fields(self)]
        return repr(
            [
                sorted(item.name if isinstance(item, Check) else item for item in value)
                if isinstance(value, frozenset)
                else value
                for value in values
            ]
        )

    def without(self, *checks: Check) -> Profile:
        """The same with these checks switched off."""
        gone = frozenset(checks)
        return replace(self, checks=self.checks - gone, switched_off=self.switched_off | (gone & self.checks))

    def including(self, *checks: Check) -> Profile:
        """The same with these checks switched on."""
        more = frozenset(checks)
        return replace(self, checks=self.checks | more, switched_off=self.switched_off - more)


OPENSSL = Profile(
    name="openssl",
    checks=_ALL_PROFILES,
    partial_chain=False,
    common_name=False,
    signature_algorithms=_ALGORITHMS,
    curves=frozenset(_CURVES),
)
"""What `ssl` accepts by default (OpenSSL 3 at security level 2)."""

STRICT = Profile(
    name="strict",
    checks=_ALL_PROFILES | _RFC_5280,
    partial_chain=True,
    common_name=False,
    signature_algorithms=_ALGORITHMS,
    curves=frozenset(_CURVES),
)
"""`VERIFY_X509_STRICT | VERIFY_X509_PARTIAL_CHAIN`, the default of Python 3.13's `create_default_context`."""

WEBPKI = Profile(
    name="webpki",
    # Browsers take key identifiers for hints, and roots without keyUsage are in use.
    checks=frozenset(Check) - {Check.KEY_IDENTIFIERS, Check.AUTHORITY_KEY_USAGE},
    partial_chain=True,
    common_name=False,
    signature_algorithms=_WEB_ALGORITHMS,
    curves=_WEB_CURVES,
    rsa_bits_multiple_of=8,
    maximum_depth=8,
)
"""What browsers ask of servers on the public web."""

PROFILES = {profile.name: profile for profile in (OPENSSL, STRICT, WEBPKI)}
