"""Cipher strings and suite names, as programs for OpenSSL write them.

`set_ciphers` chooses among the suites up to TLS 1.2 only, in OpenSSL as here; those of TLS 1.3 have their own list.
What such a string asks for is therefore read, checked and has no effect before TLS 1.2 is there. The names are
those of the IANA registries and of OpenSSL. Not here: what a suite does (`tlsocket.crypto.suites`),
lists of groups and signature algorithms (`preferences`).
"""

from __future__ import annotations

import re
from typing import Any

from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.dropin.exceptions import SSLError

__all__ = ["check_cipher_string", "describe_suite", "parse_suites"]

# The words of OpenSSL's cipher list format (openssl-ciphers(1)), as far as programs use them. Asking for a kind that
# does not exist here (CBC, RSA key exchange, finite fields) selects nothing, as in an OpenSSL built without it.
_WORDS = frozenset(
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


def check_cipher_string(ciphers: str) -> None:
    """Raise `SSLError` as OpenSSL does for a string in which no word means anything."""
    known = False
    for word in _SEPARATORS.split(ciphers.strip()):
        if not word or word.startswith("@"):
            continue
        parts = word.lstrip("!-+").split("+")
        if all(part in _WORDS or _SUITE_NAME.fullmatch(part) for part in parts) and word[0] not in "!-":
            known = True
    if not known:
        raise SSLError("No cipher can be selected.")


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
    suite = TLS13_SUITES[code]
    is_gcm = "GCM" in suite.name
    encryption = f"AESGCM({suite.bits})" if is_gcm else f"CHACHA20/POLY1305({suite.bits})"
    return {
        "id": 0x03000000 | code,
        "name": suite.name,
        "protocol": "TLSv1.3",
        "description": f"{suite.name:<30} TLSv1.3 Kx=any      Au=any   Enc={encryption:<22} Mac=AEAD",
        "strength_bits": suite.bits,
        "alg_bits": suite.bits,
        "aead": True,
        "symmetric": f"aes-{suite.bits}-gcm" if is_gcm else "chacha20-poly1305",
        "digest": None,
        "kea": "kx-any",
        "auth": "auth-any",
    }
