"""Cipher strings and suite names, as programs for OpenSSL write them.

`set_ciphers` chooses among the suites of TLS 1.2 only, in OpenSSL as here; those of TLS 1.3 have their own list. The
names are those of the IANA registries and of OpenSSL. Not here: what a suite does (`tlsocket.crypto.suites`),
lists of groups and signature algorithms (`preferences`).
"""

from __future__ import annotations

import re
from typing import Any

from tlsocket.crypto.suites import TLS12_SUITES, TLS13_SUITES, CertificateKind, Tls12CipherSuite
from tlsocket.dropin.exceptions import SSLError

__all__ = ["describe_suite", "parse_cipher_string", "parse_suites"]

# The words of OpenSSL's cipher list format (openssl-ciphers(1)) that mean one of our suites, and which.
_OF_ALL = ("ALL", "DEFAULT", "HIGH", "TLSv1.2", "PROFILE=SYSTEM")
_OF_ECDHE = ("kECDHE", "kEECDH", "ECDHE", "EECDH", "ECDH")
_OF_KIND: dict[CertificateKind | None, tuple[str, ...]] = {
    CertificateKind.ECDSA: ("aECDSA", "ECDSA", "SUITEB128", *_OF_ECDHE),
    CertificateKind.RSA: ("aRSA", *_OF_ECDHE),
    None: ("PSK", "aPSK", "kECDHEPSK"),
}
_OF_CIPHER = {"AES128": ("AES128", "AES", "AESGCM"), "AES256": ("AES256", "AES", "AESGCM"), "CHACHA20": ("CHACHA20",)}


def _words_of(suite: Tls12CipherSuite) -> frozenset[str]:
    """Every word that stands for this suite, its names among them."""
    cipher = next(cipher for cipher in _OF_CIPHER if cipher in suite.openssl_name)
    words = {*_OF_ALL, *_OF_KIND[suite.authentication], *_OF_CIPHER[cipher], suite.openssl_name, suite.name}
    if cipher == "CHACHA20":
        words.discard("SUITEB128")
    elif suite.authentication is CertificateKind.ECDSA:
        words.add("SUITEB128ONLY" if cipher == "AES128" else "SUITEB192")
    return frozenset(words)


_WORDS = {code: _words_of(suite) for code, suite in TLS12_SUITES.items()}
# openssl-ciphers(1): bits that a suite must have at each security level; all of ours do up to level 3.
_BITS_AT_LEVEL = {"0": 0, "1": 80, "2": 112, "3": 128, "4": 192, "5": 256}
# The words of that format as far as programs use them, whether or not they mean anything here: asking for a kind that
# is not built (CBC, RSA key exchange, finite fields) selects nothing, and is no mistake.
_KNOWN = frozenset(
    [
        "DEFAULT",
        "ALL",
        "COMPLEMENTOFDEFAULT",
        "COMPLEMENTOFALL",
        "HIGH",
        "MEDIUM",
        "LOW",
        "EXP",
        "EXPORT",
        "NULL",
        "aNULL",
        "eNULL",
        "kRSA",
        "aRSA",
        "RSA",
        "kDHE",
        "kEDH",
        "DH",
        "DHE",
        "EDH",
        "aDH",
        "ADH",
        "kEECDH",
        "kECDHE",
        "ECDHE",
        "EECDH",
        "ECDH",
        "AECDH",
        "aECDSA",
        "ECDSA",
        "aDSS",
        "DSS",
        "kPSK",
        "kRSAPSK",
        "kECDHEPSK",
        "kDHEPSK",
        "aPSK",
        "PSK",
        "ECDHE-PSK",
        "DHE-PSK",
        "RSA-PSK",
        "SRP",
        "SRP-RSA",
        "kSRP",
        "aSRP",
        "TLSv1.2",
        "TLSv1.0",
        "TLSv1",
        "SSLv3",
        "SSLv2",
        "AES128",
        "AES256",
        "AES",
        "AESGCM",
        "AESCCM",
        "AESCCM8",
        "ARIA",
        "ARIA128",
        "ARIA256",
        "ARIAGCM",
        "CAMELLIA",
        "CAMELLIA128",
        "CAMELLIA256",
        "CHACHA20",
        "3DES",
        "DES",
        "RC4",
        "RC2",
        "IDEA",
        "SEED",
        "GOST94",
        "GOST89MAC",
        "aGOST",
        "aGOST01",
        "kGOST",
        "CBC",
        "MD5",
        "SHA",
        "SHA1",
        "SHA256",
        "SHA384",
        "SUITEB128",
        "SUITEB128ONLY",
        "SUITEB192",
        "PROFILE=SYSTEM",
    ]
)
# Whole suites: ECDHE-ECDSA-AES128-GCM-SHA256, AES256-SHA, PSK-CHACHA20-POLY1305 ... but not those of TLS 1.3, TLS_...
_SUITE_NAME = re.compile(
    r"(?:(?:ECDHE|DHE|EDH|ADH|AECDH|ECDH|DH|RSA|PSK|SRP)-)?(?:(?:RSA|ECDSA|DSS|PSK)-)?"
    r"(?:AES(?:128|256)|CAMELLIA(?:128|256)|ARIA(?:128|256)|CHACHA20|DES-CBC3|3DES|NULL|RC4|SEED|IDEA)"
    r"(?:-(?:GCM|CBC|CCM8?|POLY1305))?(?:-(?:SHA(?:256|384)?|MD5))?"
)
_SEPARATORS = re.compile(r"[:, ;]+")


def parse_cipher_string(ciphers: str) -> tuple[int, ...]:
    """The TLS 1.2 suites that a cipher list of OpenSSL selects, in its order.

    Those of ECDHE_PSK are of use only where there are callbacks for pre-shared keys.

    A word without a sign appends, `!` forbids for good, `-` takes out, `+` moves to the end; words joined by `+` must
    all fit; `@STRENGTH` sorts and `@SECLEVEL` sets a minimum. What names only kinds that are not built (CBC, RSA key
    exchange, finite fields) selects nothing, and then TLS 1.2 is not spoken; where no word means anything to OpenSSL
    either it is an `SSLError`, as there.
    """
    if not isinstance(ciphers, str):
        raise TypeError(f"set_ciphers() argument must be str, not {type(ciphers).__name__}")
    chosen: list[int] = []
    forbidden: set[int] = set()
    least = 0
    known = False
    for word in _SEPARATORS.split(ciphers.strip()):
        if word == "@STRENGTH":
            chosen.sort(key=lambda code: -TLS12_SUITES[code].bits)
            continue
        if word.startswith("@SECLEVEL="):
            least = _BITS_AT_LEVEL.get(word.partition("=")[2], least)
            continue
        sign = word[:1] if word[:1] in "!-+" else ""
        parts = word[len(sign) :].split("+")
        matching = [code for code in TLS12_SUITES if all(part in _WORDS[code] for part in parts)]
        if sign == "!":
            forbidden.update(matching)
        if sign in ("!", "-"):
            chosen = [code for code in chosen if code not in matching]
        elif sign == "+":
            chosen = [c for c in chosen if c not in matching] + [c for c in chosen if c in matching]
        else:
            known = known or all(part in _KNOWN or _SUITE_NAME.fullmatch(part) for part in parts)
            chosen += [code for code in matching if code not in chosen and code not in forbidden]
    if not chosen and not known:
        raise SSLError("No cipher can be selected.")
    return tuple(code for code in chosen if TLS12_SUITES[code].bits >= least)


def parse_suites(ciphersuites: str) -> tuple[int, ...]:
    """TLS 1.3 suites by name, joined by colons, in order of preference."""
    codes = {suite.name: code for code, suite in TLS13_SUITES.items()}
    names = [name for name in _SEPARATORS.split(ciphersuites.strip()) if name]
    unknown = [name for name in names if name not in codes]
    if unknown or not names:
        problem = f"unknown: {', '.join(unknown)}" if unknown else "none is named"
        raise SSLError(f"No cipher suite can be selected: {problem}; there are {', '.join(codes)}")
    return tuple(dict.fromkeys(codes[name] for name in names))


def describe_suite(code: int) -> dict[str, Any]:
    """One entry of `SSLContext.get_ciphers`."""
    tls12 = TLS12_SUITES.get(code)
    suite = TLS13_SUITES[code] if tls12 is None else tls12
    is_gcm = "GCM" in suite.name
    encryption = f"AESGCM({suite.bits})" if is_gcm else f"CHACHA20/POLY1305({suite.bits})"
    exchange, authentication, kea = "any", "any", "any"
    if tls12 is not None:
        exchange, authentication, kea = "ECDHEPSK", "PSK", "ecdhe-psk"
        if tls12.authentication is not None:
            exchange, authentication, kea = "ECDH", tls12.authentication.name, "ecdhe"
    protocol = "TLSv1.3" if tls12 is None else "TLSv1.2"
    return {
        "id": 0x03000000 | code,
        "name": suite.openssl_name,
        "protocol": protocol,
        "description": (
            f"{suite.openssl_name:<30} {protocol} Kx={exchange:<8} Au={authentication:<5} Enc={encryption:<22} Mac=AEAD"
        ),
        "strength_bits": suite.bits,
        "alg_bits": suite.bits,
        "aead": True,
        "symmetric": f"aes-{suite.bits}-gcm" if is_gcm else "chacha20-poly1305",
        "digest": None,
        "kea": f"kx-{kea}",
        "auth": f"auth-{authentication.lower()}",
    }
