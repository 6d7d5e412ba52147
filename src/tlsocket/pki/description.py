"""Certificates, requests, revocation lists and keys in words a person can read, and as plain values for programs.

`words` functions return pairs of a heading and a text that is safe to print, `values` functions a dictionary of what
JSON knows (and datetimes). Hostile objects are shown as far as they can be read. Whether anything is to be believed
is not said here (`tlsocket.pki.trust`), where it is kept neither (`tlsocket.pki.stores`).
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from tlsocket.pki.certificates import (
    PARSE_ERRORS,
    certificate_der,
    fingerprint,
    key_description,
    printable,
    subject_text,
)
from tlsocket.pki.keys import describe_key, public_key_info
from tlsocket.pki.names.comparison import is_self_issued
from tlsocket.pki.requests import EXTENDED_KEY_USAGES, KEY_USAGES, CertificateRequest, InvalidRequest

if TYPE_CHECKING:
    from cryptography.x509 import ocsp

__all__ = [
    "certificate_values",
    "certificate_words",
    "crl_values",
    "crl_words",
    "key_values",
    "key_words",
    "ocsp_values",
    "ocsp_words",
    "request_values",
    "request_words",
    "time_left",
]

Words = list[tuple[str, str]]
_P = ParamSpec("_P")
_T = TypeVar("_T")
_E = TypeVar("_E", bound=x509.ExtensionType)

MAXIMUM_SHOWN = 1000
"""Names of a certificate, or entries of a list, that are put into words."""

_PURPOSE_WORDS = {
    "serverAuth": "server",
    "clientAuth": "client",
    "codeSigning": "code signing",
    "emailProtection": "e-mail",
    "timeStamping": "time stamping",
    "OCSPSigning": "OCSP signing",
    "anyExtendedKeyUsage": "any",
}
_OID_NAMES = {oid.dotted_string: word for word, oid in EXTENDED_KEY_USAGES.items()}
_SHOWN = {
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
}


def _quietly(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Without the warnings with which `cryptography` meets names and numbers that break RFC 5280: we show them."""

    @functools.wraps(function)
    def call(*arguments: _P.args, **options: _P.kwargs) -> _T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **options)

    return call


@_quietly
def certificate_values(certificate: x509.Certificate) -> dict[str, Any]:
    """What a certificate says, for programs; what cannot be read is null."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return {
        "subject": _name(lambda: certificate.subject),
        "issuer": _name(lambda: certificate.issuer),
        "serial": _safe(lambda: f"{certificate.serial_number:x}"),
        "not_before": _safe(lambda: certificate.not_valid_before_utc),
        "not_after": _safe(lambda: certificate.not_valid_after_utc),
        "names": _alternative_names(certificate),
        "key": key_description(certificate),
        "signature_algorithm": _signature_algorithm(certificate),
        "key_usage": _key_usages(certificate),
        "purposes": _purposes(certificate),
        "is_authority": constraints is not None and constraints.ca,
        "path_length": None if constraints is None else constraints.path_length,
        "sha256": fingerprint(certificate).replace(":", "").lower(),
        "sha1": fingerprint(certificate, "sha1").replace(":", "").lower(),
    }


@_quietly
def certificate_words(certificate: x509.Certificate, now: datetime.datetime) -> Words:
    """What a certificate says, for people; `now` is for how long it is still valid."""
    values = certificate_values(certificate)
    start, end = values["not_before"], values["not_after"]
    found = [
        ("subject", subject_text(certificate) if values["subject"] is None else values["subject"] or "empty"),
        ("issuer", "itself" if is_self_issued(certificate_der(certificate)) else values["issuer"] or "empty"),
        ("names", _listed(values["names"])),
        ("serial", values["serial"] or "cannot be read"),
    ]
    if start is None or end is None:
        found.append(("valid", "its dates cannot be read"))
    else:
        found.append(("valid", f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC: {time_left(start, end, now)}"))
    found += [
        ("key", values["key"]),
        ("signature", values["signature_algorithm"] or "cannot be read"),
        ("purposes", ", ".join(_PURPOSE_WORDS.get(item, item) for item in values["purposes"] or ())),
        ("key usage", ", ".join(values["key_usage"] or ())),
        ("authority", _authority_text(values)),
        *_rare_words(certificate),
        ("SHA-256", fingerprint(certificate)),
        ("SHA-1", fingerprint(certificate, "sha1")),
    ]
    return _printable(found)


def time_left(start: datetime.datetime, end: datetime.datetime, now: datetime.datetime) -> str:
    """How it stands with a period of validity."""
    if now < start:
        return f"not yet, in {_span(start - now)}"
    if now > end:
        return f"expired {_span(now - end)} ago"
    return f"{_span(end - now)} left"


@_quietly
def request_values(request: CertificateRequest) -> dict[str, Any]:
    """What a request asks for, and whether its signature is right."""
    constraints = request.basic_constraints
    return {
        "subject": str(request.subject),
        "names": [str(name) for name in str(request.alternative_names).split(",") if name],
        "key": describe_key(request.public_key),
        "key_usage": list(request.key_usage),
        "purposes": list(request.extended_key_usage),
        "is_authority": constraints is not None and constraints.ca,
        "signature_valid": _signature_problem(request) is None,
        "sha256": hashlib.sha256(request.der).hexdigest(),
        "key_sha256": hashlib.sha256(public_key_info(request.public_key)).hexdigest(),
    }


@_quietly
def request_words(request: CertificateRequest) -> Words:
    """What a request asks for, its signature checked."""
    problem = _signature_problem(request)
    signature = "right: whoever made the request has the private key" if problem is None else f"wrong: {problem}"
    digest = hashlib.sha256(public_key_info(request.public_key)).hexdigest()
    return _printable([*request.describe(), ("key SHA-256", digest), ("signature", signature)])


@_quietly
def crl_values(crl: x509.CertificateRevocationList) -> dict[str, Any]:
    """What a revocation list says."""
    return {
        "issuer": _name(lambda: crl.issuer),
        "number": _safe(lambda: crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number),
        "this_update": _safe(lambda: crl.last_update_utc),
        "next_update": _safe(lambda: crl.next_update_utc),
        "signature_algorithm": _signature_algorithm(crl),
        "revoked": _safe(lambda: [_revoked_values(entry) for entry in crl]) or [],
        "sha256": hashlib.sha256(crl.public_bytes(Encoding.DER)).hexdigest(),
    }


@_quietly
def crl_words(crl: x509.CertificateRevocationList, now: datetime.datetime) -> Words:
    """What a revocation list says, with one line for each revoked certificate."""
    values = crl_values(crl)
    start, end = values["this_update"], values["next_update"]
    found = [("issuer", values["issuer"] or "empty")]
    if values["number"] is not None:
        found.append(("number", str(values["number"])))
    found.append(("made", "cannot be read" if start is None else f"{start:%Y-%m-%d %H:%M} UTC"))
    if end is not None:
        overdue = f"overdue for {_span(now - end)}" if now > end else f"in {_span(end - now)}"
        found.append(("next one", f"{end:%Y-%m-%d %H:%M} UTC: {overdue}"))
    found.append(("signature", values["signature_algorithm"] or "cannot be read"))
    revoked = values["revoked"]
    found.append(("revoked", f"{len(revoked)} certificate{'' if len(revoked) == 1 else 's'}"))
    for entry in revoked[:MAXIMUM_SHOWN]:
        since = entry["since"]
        reason = f" ({entry['reason']})" if entry["reason"] else ""
        found.append(("", f"{entry['serial']} on {since:%Y-%m-%d %H:%M} UTC{reason}"))
    if len(revoked) > MAXIMUM_SHOWN:
        found.append(("", f"and {len(revoked) - MAXIMUM_SHOWN} more"))
    return _printable(found)


def key_values(public_key: object) -> dict[str, Any]:
    """The public half of a key; the digest is the one by which a store finds the certificate's key."""
    return {"key": describe_key(public_key), "key_sha256": _safe(lambda: _key_digest(public_key))}


def key_words(public_key: object) -> Words:
    """The public half of a key, in words."""
    values = key_values(public_key)
    return _printable([("key", values["key"]), ("key SHA-256", values["key_sha256"] or "cannot be read")])


@_quietly
def ocsp_values(response: ocsp.OCSPResponse) -> dict[str, Any]:
    """What an OCSP response says; a refusal to answer has a status and nothing else."""
    answered = response.response_status.name == "SUCCESSFUL"
    found = (_safe(lambda: [_answer_values(answer) for answer in response.responses]) or []) if answered else []
    return {
        "response_status": response.response_status.name.lower(),
        "produced_at": _safe(lambda: response.produced_at_utc) if answered else None,
        "answers": found,
    }


def ocsp_words(response: ocsp.OCSPResponse, now: datetime.datetime) -> Words:
    """What an OCSP response says, with one line for each certificate."""
    values = ocsp_values(response)
    if values["response_status"] != "successful":
        return [("answer", f"none: {values['response_status'].replace('_', ' ')}")]
    found = []
    if values["produced_at"] is not None:
        found.append(("made", f"{values['produced_at']:%Y-%m-%d %H:%M} UTC"))
    for answer in values["answers"][:MAXIMUM_SHOWN]:
        since, reason = answer["since"], answer["reason"]
        state = answer["status"] if since is None else f"revoked on {since:%Y-%m-%d %H:%M} UTC"
        found.append(("serial", f"{answer['serial']}: {state}{f' ({reason})' if reason else ''}"))
        end = answer["next_update"]
        if end is not None:
            found.append(("", f"valid until {end:%Y-%m-%d %H:%M} UTC{': out of date' if now > end else ''}"))
    return _printable(found)


def _answer_values(answer: Any) -> dict[str, Any]:
    reason = _safe(lambda: answer.revocation_reason)
    return {
        "serial": f"{answer.serial_number:x}",
        "status": answer.certificate_status.name.lower(),
        "since": _safe(lambda: answer.revocation_time_utc),
        "reason": None if reason is None else reason.value,
        "this_update": _safe(lambda: answer.this_update_utc),
        "next_update": _safe(lambda: answer.next_update_utc),
    }


def _key_digest(public_key: object) -> str:
    return hashlib.sha256(public_key_info(public_key)).hexdigest()


def _safe(read: Callable[[], _T]) -> _T | None:
    """What is read, or None when the bytes beneath do not hold it: `cryptography` parses lazily."""
    try:
        return read()
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        return None


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    return _safe(lambda: certificate.extensions.get_extension_for_class(kind).value)


def _name(read: Callable[[], x509.Name]) -> str | None:
    return _safe(lambda: printable(read().rfc4514_string()))


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return [] if names is None else [name_words(name) for name in names]


def name_words(name: x509.GeneralName) -> str:
    """One alternative name as `dns:...`, `ip:...`, `email:...`, `uri:...`."""
    kinds = {x509.DNSName: "dns", x509.IPAddress: "ip", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri"}
    if isinstance(name, x509.DirectoryName):
        return printable(f"directory:{name.value.rfc4514_string()}")
    if isinstance(name, x509.OtherName):
        return f"other:{name.type_id.dotted_string}"
    if isinstance(name, x509.RegisteredID):
        return f"id:{name.value.dotted_string}"
    return printable(f"{kinds.get(type(name), 'other')}:{name.value}")


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - MAXIMUM_SHOWN} more" if len(names) > MAXIMUM_SHOWN else ""
    return ", ".join(names[:MAXIMUM_SHOWN]) + more


def _key_usages(certificate: x509.Certificate) -> list[str] | None:
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        return None
    found = []
    for word, attribute in KEY_USAGES.items():
        # `cryptography` refuses to tell these two when they mean nothing.
        if attribute in ("encipher_only", "decipher_only") and not usage.key_agreement:
            continue
        if getattr(usage, attribute):
            found.append(word)
    return found


def _purposes(certificate: x509.Certificate) -> list[str] | None:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return None if usages is None else [_OID_NAMES.get(oid.dotted_string, oid.dotted_string) for oid in usages]


def _authority_text(values: dict[str, Any]) -> str:
    if not values["is_authority"]:
        return "no"
    length = values["path_length"]
    if length is None:
        return "yes"
    return f"yes, with {'no' if length == 0 else f'at most {length}'} authorities below it"


def _rare_words(certificate: x509.Certificate) -> Words:
    """What most certificates of one's own lack, and what is only named."""
    found: Words = []
    constraints = _extension(certificate, x509.NameConstraints)
    if constraints is not None:
        for heading, names in (
            ("only for", constraints.permitted_subtrees),
            ("never for", constraints.excluded_subtrees),
        ):
            if names:
                found.append((heading, ", ".join(name_words(name) for name in names)))
    points = _extension(certificate, x509.CRLDistributionPoints)
    if points is not None:
        found.append(("CRL at", _addresses(name for point in points for name in point.full_name or ())))
    access = _extension(certificate, x509.AuthorityInformationAccess)
    if access is not None:
        for heading, method in (
            ("OCSP at", AuthorityInformationAccessOID.OCSP),
            ("issuer at", AuthorityInformationAccessOID.CA_ISSUERS),
        ):
            places = _addresses(item.access_location for item in access if item.access_method == method)
            found.append((heading, places))
    extensions = _safe(lambda: list(certificate.extensions))
    if extensions is None:
        found.append(("extensions", "cannot be read"))
    others = [
        f"{extension.oid.dotted_string}{' (critical)' if extension.critical else ''}"
        for extension in extensions or ()
        if extension.oid not in _SHOWN
    ]
    found.append(("other extensions", ", ".join(others)))
    return found


def _addresses(names: Iterable[x509.GeneralName]) -> str:
    return ", ".join(str(name.value) for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _signature_algorithm(signed: x509.Certificate | x509.CertificateRevocationList) -> str | None:
    def read() -> str:
        oid = signed.signature_algorithm_oid
        name = oid._name
        if "sha" in name.lower() or "ed" in name.lower():
            return name
        algorithm = signed.signature_hash_algorithm
        return name if algorithm is None else f"{name} with {algorithm.name}"

    return _safe(read)


def _revoked_values(entry: x509.RevokedCertificate) -> dict[str, Any]:
    reason = _safe(lambda: entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    return {"serial": f"{entry.serial_number:x}", "since": entry.revocation_date_utc, "reason": reason}


def _signature_problem(request: CertificateRequest) -> str | None:
    try:
        request.verify()
    except InvalidRequest as error:
        return error.problem
    return None


def _span(span: datetime.timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _printable(pairs: Words) -> Words:
    return [(heading, printable(text)) for heading, text in pairs if text]
