"""OCSP responses (RFC 6960), verified: who signed them, for which certificate, and whether they are current.

Nothing is fetched: responses come from a file, or from a peer that sends them along. A response counts when the
certificate's issuer signed it, or somebody to whom the issuer gave the right (id-kp-OCSPSigning in a certificate that
the issuer's own key signed), and when its certificate id is this certificate's.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import OCSPExtensionOID

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der
from tlsocket.pki.errors import WrongContent
from tlsocket.pki.trust import facts as f
from tlsocket.pki.trust.algorithms import KEY_ERRORS, describe_algorithm, signature_is_right
from tlsocket.pki.trust.facts import CertificateFacts, MalformedCertificate, facts_of

__all__ = ["OCSPAnswers", "Verdict"]

_OCSP_SIGNING = bytes.fromhex("2b06010505070309")
_SKEW = datetime.timedelta(minutes=5)
_WITHOUT_NEXT_UPDATE = datetime.timedelta(days=7)
_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a response that counts says of one certificate."""

    good: bool
    since: datetime.datetime | None = None
    """When it was revoked."""
    reason: str = ""


class OCSPAnswers:
    """An immutable set of OCSP responses."""

    __slots__ = ("_responses",)

    def __init__(self, responses: Iterable[bytes]) -> None:
        """From responses in DER. Raises `WrongContent` for bytes that are none."""
        self._responses: list[ocsp.OCSPResponse] = []
        for data in responses:
            try:
                response = ocsp.load_der_ocsp_response(data)
            except PARSE_ERRORS as error:
                raise WrongContent("an OCSP response", f"it cannot be parsed ({error})", "fetch it anew") from None
            if response.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                self._responses.append(response)

    def __repr__(self) -> str:
        return f"<OCSPAnswers {len(self._responses)}>"

    def verdict(self, facts: CertificateFacts, issuer: CertificateFacts, when: datetime.datetime) -> Verdict | None:
        """What the responses say; None when none of them counts. One that says revoked wins."""
        found: Verdict | None = None
        for response in self._responses:
            try:
                verdict = self._one(response, facts, issuer, when)
            except KEY_ERRORS:
                continue
            if verdict is not None and (found is None or not verdict.good):
                found = verdict
        return found

    def _one(
        self, response: ocsp.OCSPResponse, facts: CertificateFacts, issuer: CertificateFacts, when: datetime.datetime
    ) -> Verdict | None:
        answer = _single(response, facts, issuer)
        if answer is None or not _is_current(answer, when) or not _is_signed(response, issuer, when):
            return None
        if any(extension.critical and extension.oid != OCSPExtensionOID.NONCE for extension in response.extensions):
            return None
        if answer.certificate_status is ocsp.OCSPCertStatus.GOOD:
            return Verdict(True)
        if answer.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            reason = answer.revocation_reason
            return Verdict(False, answer.revocation_time_utc, "" if reason is None else reason.value)
        return None


def _single(response: ocsp.OCSPResponse, facts: CertificateFacts, issuer: CertificateFacts) -> Any:
    """The answer about this certificate (RFC 6960 section 4.1.1: hashes of the issuer's name and key, serial)."""
    serial = int.from_bytes(facts.serial, "big", signed=True)
    # The hash is of the key's bits, without the octet that counts unused ones.
    key = der.split(der.elements(der.split(issuer.public_key_info)[1])[1])[1][1:]
    for answer in response.responses:
        digest = _DIGESTS.get(answer.hash_algorithm.name)
        if (
            digest is not None
            and answer.serial_number == serial
            and answer.issuer_name_hash == digest(facts.issuer).digest()
            and answer.issuer_key_hash == digest(key).digest()
        ):
            return answer
    return None


def _is_current(answer: Any, when: datetime.datetime) -> bool:
    start, end = answer.this_update_utc, answer.next_update_utc
    if end is None:
        end = start + _WITHOUT_NEXT_UPDATE
    return bool(start - _SKEW <= when <= end)


def _is_signed(response: ocsp.OCSPResponse, issuer: CertificateFacts, when: datetime.datetime) -> bool:
    if _verifies(response, issuer.certificate):
        return True
    for certificate in response.certificates:
        try:
            responder = facts_of(certificate_der(certificate))
        except MalformedCertificate:
            continue
        if _may_respond(responder, issuer, when) and _verifies(response, certificate):
            return True
    return False


def _may_respond(responder: CertificateFacts, issuer: CertificateFacts, when: datetime.datetime) -> bool:
    """RFC 6960 section 4.2.2.2: the issuer itself gave the right, directly, and it has not run out."""
    usages, usage = responder.extended_key_usage, responder.key_usage
    return (
        not responder.malformed
        and usages is not None
        and _OCSP_SIGNING in usages
        and (usage is None or bool(usage & f.DIGITAL_SIGNATURE))
        and responder.not_before <= when <= responder.not_after
        and responder.issuer_key == issuer.subject_key
        and "sha1" not in describe_algorithm(responder.signature_algorithm, responder.certificate)
        and signature_is_right(
            responder.signature_algorithm,
            responder.certificate,
            responder.signature,
            responder.tbs,
            issuer.certificate,
            issuer.public_key_info,
        )
    )


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    """Whether the key signed the response, with an algorithm that still protects."""
    try:
        key: Any = signer.public_key()
        algorithm = response.signature_hash_algorithm
        signature, data = response.signature, response.tbs_response_bytes
        if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, data)
            return True
        if algorithm is None or isinstance(algorithm, (hashes.SHA1, hashes.MD5)):
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(algorithm))
            return True
    except KEY_ERRORS:
        return False
    return False
