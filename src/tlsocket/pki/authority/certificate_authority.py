"""`CertificateAuthority`: made once, opened by any number of processes, and asked for certificates, CRLs and OCSP.

The order within every step is the same: judge what was asked, sign, commit to the ledger, and only then hand out. What
a process takes with it when it dies was therefore never seen by anybody, or stands in the ledger.

Judging requests is `examination`'s, the file format of the ledger is `ledger`'s. A maker of certificates without disk
or requests, for tests and demonstrations, is `ephemeral`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlsocket import clock
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.authority.assembly import (
    Addresses,
    Validity,
    assemble,
    grant_of,
    sign_for_issuer,
    sign_for_itself,
)
from tlsocket.pki.authority.copying import DEFAULT_COPY_POLICY, CopyPolicy
from tlsocket.pki.authority.examination import Grant, Request, check_key, examine, parse_request
from tlsocket.pki.authority.folder import AuthorityFolder, authority_names, new_folder
from tlsocket.pki.authority.identities import check_constraints, check_subject, general_name, names_of
from tlsocket.pki.authority.ledger import Ledger, LedgerEntry
from tlsocket.pki.authority.profiles import INTERMEDIATE, PROFILES, ROOT, SERVER, Profile, profile_named
from tlsocket.pki.authority.refusals import (
    AuthorityFolderUnusable,
    LedgerDamaged,
    NotInLedger,
    RequestRefusal,
    RequestRefused,
    RevocationRefused,
)
from tlsocket.pki.authority.signing import BACKDATE, DAY, random_serial, utc
from tlsocket.pki.certificates import Purpose, certificate_der, fingerprint, subject_text
from tlsocket.pki.keys import (
    Password,
    PrivateKey,
    check_key_fits,
    generate_key,
    private_key_pem,
    public_key_info,
)
from tlsocket.pki.names import Dialect, DistinguishedName
from tlsocket.pki.names.comparison import is_self_issued

__all__ = ["REVOCATION_REASONS", "CertificateAuthority", "Issued", "Which"]

_CRL_DAYS = 7.0
_OCSP_DAYS = 1.0
_MAXIMUM_STATUS_DAYS = 3650.0


Subject: TypeAlias = x509.Name | DistinguishedName | str
"""A name as an object of `cryptography`'s or of ours, or as text in the dialect that it looks like."""

Which: TypeAlias = int | str | x509.Certificate | LedgerEntry
"""Names a certificate of the ledger: its serial number, that number or the start of its SHA-256 thumbprint in hex,
the certificate itself, or its entry."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate, which the ledger already holds."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """The certificate, then the intermediates; no root (RFC 9846 section 4.5.1 lets it be left out)."""
    dropped: tuple[x509.ObjectIdentifier, ...] = ()
    """Extensions that the request asked for and the copy policy left out."""

    @property
    def chain_pem(self) -> bytes:
        """The chain as `load_cert_chain` wants it."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)


class CertificateAuthority:
    """A root or an intermediate in a folder. Safe to use from several threads, and from several processes at once.

    Use it as a context manager, or call `close`. The private key is read when it is first needed, so that looking at
    the ledger needs no password.
    """

    def __init__(
        self,
        folder: AuthorityFolder,
        certificate: x509.Certificate,
        issuers: tuple[x509.Certificate, ...],
        ledger: Ledger,
        password: Password = None,
    ) -> None:
        self._folder = folder
        self._certificate = certificate
        self._issuers = issuers
        self._ledger = ledger
        self._password = password
        self._private_key: PrivateKey | None = None
        self._addresses = Addresses.from_settings(ledger.settings())

    def __repr__(self) -> str:
        return f"<CertificateAuthority {self.name!r}, {subject_text(self._certificate)}>"

    def __enter__(self) -> CertificateAuthority:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger and let go of the key: nothing more can be issued."""
        self._ledger.close()
        self._private_key = None

    # -- making and opening -------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        name: str,
        subject: Subject,
        *,
        parent: CertificateAuthority | None = None,
        key: str = "ecdsa-p256",
        days: float | None = None,
        password: Password = None,
        path_length: int | None = None,
        name_constraints: x509.NameConstraints | None = None,
        crl_url: str | None = None,
        ocsp_url: str | None = None,
        issuer_url: str | None = None,
    ) -> CertificateAuthority:
        """A new authority in `folder/name`: a root, or an intermediate that `parent` certifies.

        `path_length` says how many authorities may stand below it (a root: any number, an intermediate: none).
        The addresses are those that its certificates will carry. Raises `AuthorityExists`, `RequestRefused`,
        `NameSyntaxError`, `UnsupportedKey`, `FileUnavailable`; then there is no new authority.
        """
        wanted = _name(subject)
        base = ROOT if parent is None else INTERMEDIATE
        profile = base if path_length is None else replace(base, path_length=path_length)
        settings = Addresses(crl_url, ocsp_url, issuer_url).to_settings()
        private_key = generate_key(key)
        pem = private_key_pem(private_key, _secret(password))
        with new_folder(folder, name) as unfinished:
            unfinished.write_key(pem)
            settings["key_hash"] = _key_hash(private_key.public_key())
            Ledger.create(unfinished.ledger_path, settings).close()
            if parent is None:
                certificate = _self_signed(wanted, private_key, profile, days, name_constraints)
            else:
                # The last step that can be refused, and the last before the name: the parent's ledger gets an entry.
                grant = _authority_grant(wanted, private_key, profile)
                certificate = parent._certify(grant, profile, days, name_constraints=name_constraints).certificate
                unfinished.write_issuers((parent.certificate, *parent.issuers))
            unfinished.write_certificate(certificate)
        return cls.open(folder, name, password)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], name: str, password: Password = None) -> CertificateAuthority:
        """The authority in `folder/name`. Raises `AuthorityMissing`, `FileUnavailable`, `NotPrivate`, `LedgerDamaged`.

        `password` opens its key and may be a function, which is called when the key is first needed.
        """
        found = AuthorityFolder.find(folder, name)
        certificate, issuers = found.read_certificates()
        ledger = Ledger.open(found.ledger_path)
        try:
            if ledger.settings().get("key_hash") != _key_hash(certificate.public_key()):
                raise LedgerDamaged(
                    str(found.ledger_path), "the ledger of another authority", "restore the folder from a backup"
                )
            return cls(found, certificate, issuers, ledger, password)
        except BaseException:
            ledger.close()
            raise

    @staticmethod
    def names(folder: str | os.PathLike[str]) -> list[str]:
        """The authorities in a folder."""
        return authority_names(folder)

    def unlock(self) -> None:
        """Read the private key now. Raises `PasswordRequired`, `WrongPassword`, `KeyMismatch`, `NotPrivate`."""
        self._key()

    def install(self, certificate: x509.Certificate) -> None:
        """Use a new certificate of the same name and key, as the parent's `renew` returns it."""
        same = certificate.subject == self._certificate.subject and certificate.issuer == self._certificate.issuer
        if not same or _key_hash(certificate.public_key()) != _key_hash(self._certificate.public_key()):
            raise AuthorityFolderUnusable(
                str(self._folder.path),
                "the new certificate is of another name, issuer or key",
                "install what renewing this authority's certificate returned",
            )
        self._folder.write_certificate(certificate)
        self._certificate = certificate

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self._folder.path.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    @property
    def certificate(self) -> x509.Certificate:
        """Its own certificate."""
        return self._certificate

    @property
    def issuers(self) -> tuple[x509.Certificate, ...]:
        """The certificates above it, the next one first, the root last; empty for a root."""
        return self._issuers

    # -- issuing ------------------------------------------------------------------------------------------------

    def issue(
        self,
        request: Request,
        *,
        profile: Profile | Purpose | str = SERVER,
        days: float | None = None,
        sans: str | Iterable[str | x509.GeneralName] | None = None,
        subject: Subject | None = None,
        copy_policy: CopyPolicy = DEFAULT_COPY_POLICY,
    ) -> Issued:
        """A certificate for a request in PEM or DER. Raises `RequestRefused` with the reason.

        `sans` (`dns:X,ip:Y,email:Z,uri:U`, or a list of such words or objects) and `subject` take the place of what
        the request asks for. Whether the requester may have these names is the caller's to know.
        """
        chosen = profile_named(profile)
        listed = SubjectAlternativeNames.parse(sans) if isinstance(sans, str) else sans
        names = None if listed is None else [general_name(san) if isinstance(san, str) else san for san in listed]
        wanted = None if subject is None else _name(subject)
        grant = examine(parse_request(request), chosen, copy_policy, subject=wanted, names=names)
        return self._certify(grant, chosen, days)

    def renew(self, which: Which, *, days: float | None = None, profile: Profile | None = None) -> Issued:
        """A new certificate for the same subject, names, usages and key, as long as the old one was unless `days` says.

        The old one stays valid until it expires or is revoked. `profile` is needed for one that `PROFILES` lacks.
        """
        entry = self.entry(which)
        if entry.revoked_at is not None:
            raise RequestRefused(
                RequestRefusal.REVOKED, f"{entry.serial:x}, {entry.subject}", "make a new request with a new key"
            )
        chosen = profile if profile is not None else PROFILES.get(entry.profile)
        if chosen is None:
            raise ValueError(f"the profile {entry.profile!r} is none of ours: give it")
        old = entry.certificate
        if days is None:
            days = min((entry.not_after - max(entry.not_before, entry.issued_at)) / DAY, chosen.maximum_days)
            days = min(days, self._days_left(clock.now()))
        constraints = None
        for extension in old.extensions:
            if isinstance(extension.value, x509.NameConstraints):
                constraints = extension.value
        return self._certify(grant_of(old, chosen), chosen, days, renews=entry.serial, name_constraints=constraints)

    def _certify(
        self,
        grant: Grant,
        profile: Profile,
        days: float | None,
        *,
        renews: int | None = None,
        name_constraints: x509.NameConstraints | None = None,
    ) -> Issued:
        now = clock.now()
        grant = self._within_path_length(grant, profile)
        check_constraints(grant.names, grant.subject, (self._certificate, *self._issuers))
        validity = self._validity(profile, days, now)
        key_hash = _key_hash(grant.public_key)
        if key_hash == _key_hash(self._certificate.public_key()):
            raise RequestRefused(RequestRefusal.KEY_OF_AUTHORITY, "", "make a key for the certificate")
        if self._ledger.is_key_compromised(key_hash):
            raise RequestRefused(RequestRefusal.KEY_COMPROMISED, f"SHA-256 {key_hash}", "make a new key")
        private_key = self._key()
        while True:
            serial = random_serial()
            builder = assemble(
                grant,
                profile,
                serial=serial,
                validity=validity,
                addresses=self._addresses,
                name_constraints=name_constraints,
            )
            certificate = sign_for_issuer(builder, self._certificate, private_key)
            encoded = certificate_der(certificate)
            entry = LedgerEntry(
                serial=serial,
                thumbprint=hashlib.sha256(encoded).hexdigest(),
                key_hash=key_hash,
                subject=subject_text(certificate),
                profile=profile.name,
                not_before=validity.not_before,
                not_after=validity.not_after,
                issued_at=int(now),
                renews=renews,
                revoked_at=None,
                reason=None,
                der=encoded,
            )
            if self._ledger.add(entry):
                return Issued(certificate, (certificate, *self._intermediates()), grant.dropped)

    def _within_path_length(self, grant: Grant, profile: Profile) -> Grant:
        """The grant, with what is left of the path length; refused when nothing is."""
        if not profile.is_authority:
            return grant
        own = self._certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        if own == 0:
            raise RequestRefused(
                RequestRefusal.PATH_LENGTH, "its path length is 0", "let the root certify it, or make a longer path"
            )
        if own is not None and (grant.path_length is None or grant.path_length > own - 1):
            return replace(grant, path_length=own - 1)
        return grant

    def _days_left(self, now: float) -> float:
        return (self._certificate.not_valid_after_utc.timestamp() - now) / DAY

    def _validity(self, profile: Profile, days: float | None, now: float) -> Validity:
        starts = int(self._certificate.not_valid_before_utc.timestamp())
        ends = int(self._certificate.not_valid_after_utc.timestamp())
        if not starts <= now <= ends:
            raise RequestRefused(
                RequestRefusal.ISSUER_NOT_VALID,
                f"valid from {utc(starts):%Y-%m-%d %H:%M} to {utc(ends):%Y-%m-%d %H:%M} UTC",
                "set the clock, or renew the authority",
            )
        if days is None:
            not_after = min(int(now + profile.days * DAY), ends)
        else:
            not_after = _end(profile, days, now)
        if not_after > ends:
            raise RequestRefused(
                RequestRefusal.OUTLIVES_ISSUER,
                f"{days} days, but the authority ends on {utc(ends):%Y-%m-%d}",
                f"ask for at most {int(self._days_left(now))} days",
            )
        # Not before its issuer: some verifiers ask that the periods lie within each other.
        return Validity(max(int(now) - BACKDATE, starts), not_after)

    def _intermediates(self) -> tuple[x509.Certificate, ...]:
        above = (self._certificate, *self._issuers)
        return tuple(certificate for certificate in above if not is_self_issued(certificate_der(certificate)))

    # -- the ledger ---------------------------------------------------------------------------------------------

    def entries(self) -> list[LedgerEntry]:
        """Every certificate that it issued, the oldest first."""
        return self._ledger.entries()

    def entries_named(self, name: str) -> list[LedgerEntry]:
        """Those with this alternative name (`www.example.org`, `a@example.org`) or common name, in any case."""
        wanted = name.lower()
        return [entry for entry in self.entries() if wanted in names_of(entry.certificate)]

    def entry(self, which: Which) -> LedgerEntry:
        """One of them. Raises `NotInLedger`, also when the start of a thumbprint fits several."""
        if isinstance(which, LedgerEntry):
            which = which.serial
        if isinstance(which, int):
            found = self._ledger.find(which)
            candidates = [] if found is None else [found]
        elif isinstance(which, x509.Certificate):
            wanted = fingerprint(which).replace(":", "").lower()
            candidates = [entry for entry in [self._ledger.find(which.serial_number)] if entry is not None]
            candidates = [entry for entry in candidates if entry.thumbprint == wanted]
        else:
            candidates = self._by_text(which)
        if len(candidates) == 1:
            return candidates[0]
        shown = which if isinstance(which, str) else f"{which:x}" if isinstance(which, int) else subject_text(which)
        if candidates:
            listed = ", ".join(f"{entry.thumbprint[:16]} ({entry.subject})" for entry in candidates)
            raise NotInLedger(f"{shown} fits several certificates: {listed}", "give more digits")
        raise NotInLedger(
            f"this authority has issued no certificate {shown}",
            "list what it has issued, or ask the authority that the certificate names as its issuer",
        )

    def _by_text(self, text: str) -> list[LedgerEntry]:
        digits = text.replace(":", "").removeprefix("0x").lower()
        if not digits or len(digits) > 64 or set(digits) - set("0123456789abcdef"):
            raise NotInLedger(
                f"{text[:80]!r} is no serial number and no thumbprint", "give it in hex, or the certificate itself"
            )
        found = self._ledger.find(int(digits, 16))
        if found is not None:
            return [found]
        return self._ledger.find_by_prefix(digits) if len(digits) >= 8 else []

    def revoke(self, which: Which, reason: x509.ReasonFlags | str = x509.ReasonFlags.unspecified) -> LedgerEntry:
        """Revoke one; on return it is on the disk. The next `crl` and `ocsp_response` tell it.

        `reason` by the names of RFC 5280 section 5.3.1 (`keyCompromise`). `certificateHold` can be taken back by
        `release`, or turned into another reason. Raises `NotInLedger`, `RevocationRefused`.
        """
        return self._ledger.revoke(self.entry(which).serial, _reason(reason), int(clock.now()))

    def release(self, which: Which) -> LedgerEntry:
        """Take back a hold. Raises `NotInLedger`, `RevocationRefused`."""
        return self._ledger.release(self.entry(which).serial)

    def crl(self, *, days: float = _CRL_DAYS) -> x509.CertificateRevocationList:
        """A new list of what is revoked, with the next number, to be replaced within `days`; the ledger keeps it."""
        # Here, for two reasons: `cryptography` loads it lazily, and no password is asked for inside a transaction.
        from tlsocket.pki.authority.revocation_lists import make_revocation_list

        private_key = self._key()
        this_update = int(clock.now())
        next_update = _next_update(this_update, days)

        def make(number: int, revoked: list[LedgerEntry]) -> bytes:
            return make_revocation_list(
                number,
                revoked,
                issuer=self._certificate,
                private_key=private_key,
                this_update=this_update,
                next_update=next_update,
            )

        return x509.load_der_x509_crl(self._ledger.add_revocation_list(this_update, next_update, make))

    def latest_crl(self) -> x509.CertificateRevocationList | None:
        """The list that was made last."""
        encoded = self._ledger.latest_revocation_list()
        return None if encoded is None else x509.load_der_x509_crl(encoded)

    def ocsp_response(self, request: bytes, *, days: float = _OCSP_DAYS) -> bytes:
        """The answer to an OCSP request, both in DER; one for whatever the request holds. Valid for `days`."""
        from tlsocket.pki.authority.ocsp import answer

        now = int(clock.now())
        return answer(
            request,
            self._ledger.find,
            issuer=self._certificate,
            private_key=self._key,
            now=now,
            next_update=_next_update(now, days),
        )

    def check(self) -> None:
        """Raise `LedgerDamaged` or `KeyMismatch` unless ledger, certificate and key are whole and belong together."""
        self._ledger.check()
        self._key()

    def _key(self) -> PrivateKey:
        if self._private_key is None:
            key = self._folder.read_key(self._password)
            check_key_fits(
                key,
                self._certificate,
                key_source=str(self._folder.key_path),
                certificate_source=str(self._folder.certificate_path),
            )
            self._private_key = key
            self._password = None
        return self._private_key


def _name(subject: Subject) -> x509.Name:
    if isinstance(subject, x509.Name):
        return subject
    name = DistinguishedName.parse(subject, Dialect.guess(subject)) if isinstance(subject, str) else subject
    return name.to_x509()


def _key_hash(key: object) -> str:
    return hashlib.sha256(public_key_info(key)).hexdigest()


def _secret(password: Password) -> bytes | None:
    value = password() if callable(password) else password
    if value is None:
        return None
    secret = value.encode() if isinstance(value, str) else bytes(value)
    if not secret:
        raise ValueError("an empty password protects nothing: give one, or None")
    return secret


def _reason(reason: x509.ReasonFlags | str) -> x509.ReasonFlags:
    if isinstance(reason, str):
        plain = reason.replace("-", "").replace("_", "").lower()
        for known in x509.ReasonFlags:
            if known.value.lower() == plain:
                reason = known
                break
        else:
            raise RevocationRefused(f"{reason!r} is not a reason", f"use one of {_REASONS}")
    if reason is x509.ReasonFlags.remove_from_crl:
        # RFC 5280 section 5.3.1: it appears in delta lists only, which we do not make.
        raise RevocationRefused("removeFromCRL is not a reason to revoke", "take a hold back with release")
    return reason


REVOCATION_REASONS = tuple(flag.value for flag in x509.ReasonFlags if flag is not x509.ReasonFlags.remove_from_crl)
"""What `revoke` takes (RFC 5280 section 5.3.1)."""

_REASONS = ", ".join(REVOCATION_REASONS)


def _end(profile: Profile, days: float, now: float) -> int:
    if not 0 < days <= profile.maximum_days:
        raise RequestRefused(
            RequestRefusal.LIFETIME,
            f"{days} days under the profile {profile.name}",
            f"ask for more than 0 and at most {profile.maximum_days} days",
        )
    return int(now + days * DAY)


def _next_update(now: int, days: float) -> int:
    if not 0 < days <= _MAXIMUM_STATUS_DAYS:
        raise ValueError(f"a list or an answer is valid for more than 0 and at most {_MAXIMUM_STATUS_DAYS:.0f} days")
    return int(now + days * DAY)


def _authority_grant(subject: x509.Name, private_key: PrivateKey, profile: Profile) -> Grant:
    """For a key that was made a moment ago: no request has to prove that it is there."""
    if not subject.rdns:
        raise RequestRefused(RequestRefusal.NO_NAME, "", "give the authority a subject (RFC 5280 section 4.1.2.6)")
    check_subject(subject, (), profile)
    return Grant(
        subject=subject,
        public_key=check_key(private_key.public_key(), profile),
        names=(),
        key_usages=profile.key_usages,
        extended_key_usages=profile.extended_key_usages,
        path_length=profile.path_length,
        tls_features=(),
        dropped=(),
    )


def _self_signed(
    subject: x509.Name,
    private_key: PrivateKey,
    profile: Profile,
    days: float | None,
    name_constraints: x509.NameConstraints | None,
) -> x509.Certificate:
    now = clock.now()
    grant = _authority_grant(subject, private_key, profile)
    validity = Validity(int(now) - BACKDATE, _end(profile, profile.days if days is None else days, now))
    builder = assemble(grant, profile, serial=random_serial(), validity=validity, name_constraints=name_constraints)
    return sign_for_itself(builder, grant, private_key)
