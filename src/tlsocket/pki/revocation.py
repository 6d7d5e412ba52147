"""Was a certificate revoked? Revocation lists (RFC 5280 sections 5 and 6.3) and OCSP responses (RFC 6960), verified.

Lists come from files and bytes; nothing is fetched. A list counts when it is signed by the issuer of the certificate,
current, of a scope that covers the certificate, and without critical extensions that are not understood: indirect
lists, delta lists and lists of some reasons only are not used, and said so. Without an answer that counts a certificate
is refused (REVOCATION_UNKNOWN). Making lists and responses is the authority's part.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from tlsocket.pki import der
from tlsocket.pki.certificates import PARSE_ERRORS, printable, subject_text
from tlsocket.pki.errors import Problem, Refusal, WrongContent
from tlsocket.pki.keys import KeySource, read_source
from tlsocket.pki.names.comparison import name_key
from tlsocket.pki.trust import facts as f
from tlsocket.pki.trust.algorithms import describe_algorithm, signature_is_right
from tlsocket.pki.trust.facts import CertificateFacts

if TYPE_CHECKING:
    from tlsocket.pki.ocsp import OCSPAnswers

__all__ = ["RevocationCheck", "RevocationList", "RevocationLists", "crl_blocks"]

_LABELS = (b"X509 CRL", b"CRL")
_UNDERSTOOD = frozenset({ExtensionOID.AUTHORITY_KEY_IDENTIFIER, ExtensionOID.ISSUING_DISTRIBUTION_POINT})
_ENTRY_UNDERSTOOD = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})


def crl_blocks(data: bytes) -> list[bytes]:
    """The DER of each revocation list in PEM text; what is not base64 comes as `b""`."""
    found = []
    for label in _LABELS:
        begin, end = b"-----BEGIN " + label + b"-----", b"-----END " + label + b"-----"
        for part in data.split(begin)[1:]:
            try:
                found.append(base64.b64decode(b"".join(part.partition(end)[0].split()), validate=True))
            except binascii.Error:
                found.append(b"")
    return found


class RevocationList:
    """One revocation list, as far as it can be judged without its issuer. Raises ValueError when it is none."""

    __slots__ = ("_signed_by", "crl", "der", "fault", "issuer", "next_update", "serials", "this_update")

    def __init__(self, data: bytes) -> None:
        self.der = data
        try:
            self.crl = x509.load_der_x509_crl(data)
            self.issuer = self.crl.issuer.public_bytes()
            self.this_update = self.crl.last_update_utc
            self.next_update = self.crl.next_update_utc
            self.serials = {entry.serial_number: entry for entry in self.crl}
            self.fault = self._fault()
        except PARSE_ERRORS as error:
            raise ValueError(str(error)) from None
        self._signed_by: dict[bytes, bool] = {}

    def __repr__(self) -> str:
        return f"<RevocationList of {printable(self.crl.issuer.rfc4514_string())}, {len(self.serials)} entries>"

    def _fault(self) -> tuple[int, str]:
        """Why it cannot be used at all: OpenSSL's number and words; (0, "") when it can."""
        for extension in self.crl.extensions:
            value = extension.value
            if isinstance(value, x509.DeltaCRLIndicator):
                return 36, "it is a delta list, which is not supported"
            if isinstance(value, x509.IssuingDistributionPoint):
                if value.indirect_crl:
                    return 44, "it is an indirect list, which is not supported"
                if value.only_some_reasons:
                    return 44, "it is for some reasons of revocation only, which is not supported"
                if value.relative_name is not None:
                    return 44, "it is for a distribution point with a relative name, which is not supported"
                if value.only_contains_attribute_certs:
                    return 44, "it is for attribute certificates only"
            if extension.critical and extension.oid not in _UNDERSTOOD:
                return 36, f"it has a critical extension that is not understood: {extension.oid.dotted_string}"
        for entry in self.serials.values():
            for extension in entry.extensions:
                if extension.critical and extension.oid not in _ENTRY_UNDERSTOOD:
                    what = extension.oid.dotted_string
                    return 36, f"an entry has a critical extension that is not understood: {what}"
        return 0, ""

    @property
    def has_number(self) -> bool:
        """Whether it has a CRL number that is not critical (RFC 5280 section 5.2.3)."""
        try:
            return not self.crl.extensions.get_extension_for_class(x509.CRLNumber).critical
        except x509.ExtensionNotFound:
            return False

    def covers(self, facts: CertificateFacts) -> bool:
        """Whether its scope holds this kind of certificate (RFC 5280 section 5.2.5)."""
        try:
            point = self.crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        except x509.ExtensionNotFound:
            return True
        if (point.only_contains_user_certs and facts.ca) or (point.only_contains_ca_certs and not facts.ca):
            return False
        return not point.full_name or _names_meet(point.full_name, facts)

    def is_signed_by(self, issuer: CertificateFacts) -> bool:
        """Whether the issuer's key signed it. Kept per key: it is a function of the two and nothing else."""
        known = self._signed_by.get(issuer.public_key_info)
        if known is None:
            identifier = der.elements(der.split(self.der)[1])[1]
            known = "sha1" not in describe_algorithm(identifier, self.crl) and signature_is_right(
                identifier,
                self.crl,
                self.crl.signature,
                self.crl.tbs_certlist_bytes,
                issuer.certificate,
                issuer.public_key_info,
            )
            if len(self._signed_by) > 16:
                self._signed_by.clear()
            self._signed_by[issuer.public_key_info] = known
        return known


def _names_meet(wanted: Iterable[x509.GeneralName], facts: CertificateFacts) -> bool:
    """Whether the certificate's distribution points name this list; one without any names none and takes all."""
    try:
        points = facts.certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        return True
    names = [name for point in points for name in point.full_name or ()]
    return not names or any(name in names for name in wanted)


class RevocationLists:
    """An immutable set of revocation lists."""

    __slots__ = ("_by_issuer", "_lists")

    def __init__(self, lists: Iterable[RevocationList] = ()) -> None:
        self._lists = tuple({item.der: item for item in lists}.values())
        self._by_issuer: dict[bytes, tuple[RevocationList, ...]] = {}
        for item in self._lists:
            key = name_key(item.issuer)
            self._by_issuer[key] = (*self._by_issuer.get(key, ()), item)

    @classmethod
    def load(cls, source: KeySource) -> RevocationLists:
        """From a file or its content: PEM, or one list in DER."""
        data, name = read_source(source, "revocation list")
        blocks = [data] if data[:1] == b"\x30" else crl_blocks(data)
        found = []
        for number, block in enumerate(blocks, 1):
            try:
                found.append(RevocationList(block))
            except ValueError:
                problem = f"revocation list number {number} in it cannot be parsed"
                raise WrongContent(name, problem, "fetch it anew from its authority") from None
        if not found:
            raise WrongContent(name, "no revocation list in it", "give one in PEM ('-----BEGIN X509 CRL-----') or DER")
        return cls(found)

    def __or__(self, other: RevocationLists) -> RevocationLists:
        """Both sets together."""
        return RevocationLists((*self._lists, *other._lists))

    def __len__(self) -> int:
        return len(self._lists)

    def __repr__(self) -> str:
        return f"<RevocationLists {len(self)}>"

    def of_issuer(self, facts: CertificateFacts) -> tuple[RevocationList, ...]:
        """Those in the name of the certificate's issuer."""
        return self._by_issuer.get(facts.issuer_key, ())

    @property
    def generation(self) -> str:
        """A digest of the content."""
        digests = sorted(hashlib.sha256(item.der).digest() for item in self._lists)
        return hashlib.sha256(b"".join(digests)).hexdigest()


class RevocationCheck:
    """What is asked about the revocation of a path's certificates."""

    __slots__ = ("_answers", "_if_known", "_number_needed", "lists", "whole_chain")

    def __init__(
        self,
        lists: RevocationLists | None = None,
        *,
        whole_chain: bool = True,
        answers: OCSPAnswers | None = None,
        number_needed: bool = False,
        issuers_if_known: bool = False,
    ) -> None:
        """`whole_chain` False asks about the end entity only (`VERIFY_CRL_CHECK_LEAF`).

        With `issuers_if_known` authorities above the end entity are asked about where a list of their issuer, or an
        answer about them, is there; without one they pass.
        `number_needed` asks for lists that have a number, as the profile `webpki` does.
        """
        self.lists = RevocationLists() if lists is None else lists
        self.whole_chain = whole_chain
        self._answers = answers
        self._number_needed = number_needed
        self._if_known = issuers_if_known

    def problems(self, path: Sequence[CertificateFacts], when: datetime.datetime) -> list[Problem]:
        """What speaks against the path. The anchor is asked about only when it is self-issued, as OpenSSL does."""
        found = []
        for depth, facts in enumerate(path if self.whole_chain else path[:1]):
            if depth + 1 < len(path):
                issuer = path[depth + 1]
            elif facts.self_issued:
                issuer = facts
            else:
                continue
            problem = self._problem(facts, issuer, depth, when)
            if problem is not None:
                found.append(problem)
        return found

    def _problem(
        self, facts: CertificateFacts, issuer: CertificateFacts, depth: int, when: datetime.datetime
    ) -> Problem | None:
        if self._answers is not None:
            verdict = self._answers.verdict(facts, issuer, when)
            if verdict is not None:
                return None if verdict.good else _revoked(facts, depth, verdict.since, verdict.reason)
        faults: list[tuple[int, str, str]] = []
        usable = False
        serial = int.from_bytes(facts.serial, "big", signed=True)
        for item in self.lists.of_issuer(facts):
            fault = self._fault(item, facts, issuer, when)
            if fault is not None:
                faults.append(fault)
                continue
            usable = True
            entry = item.serials.get(serial)
            if entry is not None:
                return _revoked(facts, depth, entry.revocation_date_utc, _reason(entry))
        if usable or (depth and self._if_known and not faults):
            return None
        subject, name = subject_text(facts.certificate), subject_text(issuer.certificate)
        unknown = f"whether the certificate of {subject} was revoked is not known"
        if faults:
            code, detail, remedy = faults[-1]
            detail = f"{unknown}: the list of {name} cannot be used: {detail}"
        else:
            code = 3
            detail = f"{unknown}: there is no revocation list of {name}"
            remedy = f"load the present revocation list of {name}, or do not ask for one (verify_flags)"
        return Problem(Refusal.REVOCATION_UNKNOWN, depth, subject, detail, remedy, "", code, facts.der)

    def _fault(
        self, item: RevocationList, facts: CertificateFacts, issuer: CertificateFacts, when: datetime.datetime
    ) -> tuple[int, str, str] | None:
        fetch = "load the present list of this authority"
        code, detail = item.fault
        if code:
            return code, detail, "load a complete list, for all reasons, of this authority"
        if not item.covers(facts):
            return 44, "it is for another kind of certificates", fetch
        if issuer.key_usage is not None and not issuer.key_usage & f.CRL_SIGN:
            remedy = "have the authority's certificate issued anew with cRLSign"
            return 35, "its issuer's key may not sign lists (keyUsage lacks cRLSign)", remedy
        if self._number_needed and not item.has_number:
            return 41, "it has no number, or a critical one (RFC 5280 section 5.2.3)", fetch
        if when < item.this_update:
            return 11, f"it is valid from {item.this_update:%Y-%m-%d %H:%M} UTC on", "check this machine's clock"
        if item.next_update is not None and when > item.next_update:
            return 12, f"it was to be replaced by {item.next_update:%Y-%m-%d %H:%M} UTC", fetch
        if not item.is_signed_by(issuer):
            return 8, "its signature is wrong, or made with a weak algorithm", fetch
        return None


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (*PARSE_ERRORS, x509.ExtensionNotFound):
        return ""


def _revoked(facts: CertificateFacts, depth: int, since: datetime.datetime | None, reason: str) -> Problem:
    subject = subject_text(facts.certificate)
    detail = f"the certificate of {subject} was revoked"
    if since is not None:
        detail += f" on {since:%Y-%m-%d %H:%M:%S} UTC"
    if reason:
        detail += f" ({reason})"
    remedy = "do not trust this peer until it has a new certificate"
    return Problem(Refusal.REVOKED, depth, subject, detail, remedy, "", 23, facts.der)
