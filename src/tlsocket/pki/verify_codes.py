"""The numbers and sentences by which OpenSSL, and so `ssl.SSLCertVerificationError`, names why a chain was refused.

X509_V_ERR_... of <openssl/x509_vfy.h>, OpenSSL 3. Programs match on both, so both are kept to the letter. Data only:
which refusal has which number is said where the refusal is made.
"""

from __future__ import annotations

__all__ = ["MESSAGES", "STAGES", "verify_message"]

MESSAGES = {
    1: "unspecified certificate verification error",
    2: "unable to get issuer certificate",
    3: "unable to get certificate CRL",
    6: "unable to decode issuer public key",
    7: "certificate signature failure",
    8: "CRL signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    11: "CRL is not yet valid",
    12: "CRL has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    25: "path length constraint exceeded",
    26: "unsuitable certificate purpose",
    28: "certificate rejected",
    30: "authority and subject key identifier mismatch",
    32: "key usage does not include certificate signing",
    33: "unable to get CRL issuer certificate",
    34: "unhandled critical extension",
    35: "key usage does not include CRL signing",
    36: "unhandled critical CRL extension",
    37: "invalid non-CA certificate (has CA markings)",
    41: "invalid or inconsistent certificate extension",
    42: "invalid or inconsistent certificate policy extension",
    43: "no explicit policy",
    44: "different CRL scope",
    47: "permitted subtree violation",
    48: "excluded subtree violation",
    49: "name constraints minimum and maximum not supported",
    50: "application verification failure",
    51: "unsupported name constraint type",
    52: "unsupported or invalid name constraint syntax",
    53: "unsupported or invalid name syntax",
    62: "Hostname mismatch",
    64: "IP address mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
    74: "OCSP verification failed",
    75: "OCSP unknown cert",
    76: "Cannot find certificate signature algorithm",
    78: "cert info signature and signature algorithm mismatch",
    79: "invalid CA certificate",
    80: "Path length invalid for non-CA cert",
    81: "Path length given without key usage keyCertSign",
    82: "Key usage keyCertSign invalid for non-CA cert",
    83: "Issuer name empty",
    84: "Subject name empty",
    85: "Missing Authority Key Identifier",
    86: "Missing Subject Key Identifier",
    87: "Empty Subject Alternative Name extension",
    88: "Subject empty and Subject Alt Name extension not critical",
    89: "Basic Constraints of CA cert not marked critical",
    90: "Authority Key Identifier marked critical",
    91: "Subject Key Identifier marked critical",
    92: "CA cert does not include key usage extension",
    93: "Using cert extension requires at least X509v3",
    94: "Certificate public key has explicit ECC parameters",
}
"""Number to sentence. OpenSSL 3.0 writes "hostname mismatch"; 62 is as Python's `ssl` prints it since OpenSSL 1.1."""

STAGES = {
    code: stage
    for stage, codes in enumerate(
        (
            (66,),
            (2, 18, 19, 20, 21, 22, 28, 30, 32),
            (26, 34, 37, 41, 42, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 25),
            (67, 68, 76),
            (62, 64),
            (3, 8, 11, 12, 23, 33, 35, 36, 44, 74, 75),
            (6, 7, 9, 10),
            (47, 48, 49, 51, 52, 53),
            (43,),
        )
    )
    for code in codes
}
"""The order in which OpenSSL looks: what it finds first is what it reports."""


def verify_message(code: int) -> str:
    """OpenSSL's sentence for a number."""
    return MESSAGES.get(code, MESSAGES[1])
