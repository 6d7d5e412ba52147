"""A certificate chain in words. Whether it is to be believed is not said here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tlsocket.pki.certificates import (
    PARSE_ERRORS,
    certificate_dict,
    fingerprint,
    key_description,
    parse_certificate,
    printable,
    subject_text,
)

__all__ = ["chain_lines", "owner"]


def owner(certificate: bytes) -> str:
    """Whose certificate it is, in a few words; hostile bytes are only called that."""
    try:
        return subject_text(parse_certificate(certificate))
    except PARSE_ERRORS:
        return "a certificate that cannot be parsed"


def chain_lines(chain: Sequence[bytes]) -> Iterator[str]:
    """Names, dates and fingerprints, a few lines for each certificate, the peer's own first."""
    for depth, der in enumerate(chain):
        for number, line in enumerate(_certificate_lines(der)):
            yield f"  {f'{depth}:' if number == 0 else '  '} {line}"


def _certificate_lines(der: bytes) -> Iterator[str]:
    yield owner(der)
    try:
        certificate = parse_certificate(der)
        fields = certificate_dict(certificate)
        yield f"issuer   {printable(certificate.issuer.rfc4514_string()) or 'unnamed'}"
        names = [f"{kind}:{value}" for kind, value in fields.get("subjectAltName", ())]
        if names:
            yield f"names    {printable(', '.join(names))}"
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        yield f"valid    {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        yield f"key      {key_description(certificate)}"
    except PARSE_ERRORS as error:
        yield f"broken   {printable(str(error))}"
    yield f"SHA-256  {fingerprint(der)}"
