"""An authority on disk: what it makes, what it keeps, what it answers."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.pki.authority.support import PASSWORD, Family, distinguished, host, request, request_pem
from tlsocket import clock
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.authority import (
    BOTH,
    CLIENT,
    CODE_SIGNING,
    INTERMEDIATE,
    NO_COPY_POLICY,
    SERVER,
    AuthorityExists,
    AuthorityFolderUnusable,
    AuthorityMissing,
    CertificateAuthority,
    EntryState,
    NotInLedger,
    RequestRefusal,
    RequestRefused,
    RevocationRefused,
)
from tlsocket.pki.authority.certificate_authority import Which
from tlsocket.pki.authority.examination import Request
from tlsocket.pki.certificates import Purpose, certificate_der
from tlsocket.pki.errors import (
    FileUnavailable,
    KeyMismatch,
    NotPrivate,
    PasswordRequired,
    Refusal,
    UnsupportedKey,
    WrongPassword,
)
from tlsocket.pki.names import DistinguishedName, NameSyntaxError
from tlsocket.pki.ocsp import OCSPAnswers
from tlsocket.pki.requests import CertificateRequest
from tlsocket.pki.revocation import RevocationCheck, RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.facts import facts_of
from tlsocket.pki.trust.verifier import Verifier

DAY = 86400


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with Family(tmp_path / "authorities") as made:
        yield made


@pytest.fixture
def hold_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the time by days."""
    real = clock.now

    def move(days: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: real() + days * DAY)

    return move


def extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> x509.Extension[x509.ExtensionType]:
    return certificate.extensions.get_extension_for_oid(oid)


# -- making and opening -----------------------------------------------------------------------------------------


def test_everything_is_private(family: Family) -> None:
    os.umask(os.umask(0))  # whatever the umask was, what follows was made under it
    assert family.base.stat().st_mode & 0o777 == 0o700
    for authority in (family.root, family.middle):
        assert authority.path.stat().st_mode & 0o777 == 0o700
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in authority.path.iterdir()}
        assert modes.pop("authority.pem") == 0o644
        assert modes.pop("issuers.pem", 0o644) == 0o644
        assert set(modes.values()) == {0o600}, modes
        assert {"authority.key", "ledger.sqlite"} <= set(modes)


def test_files_are_private_under_an_open_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        authority = CertificateAuthority.create(tmp_path / "new", "a", distinguished("A"))
        authority.issue(request())
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in authority.path.iterdir()}
        authority.close()
    finally:
        os.umask(before)
    assert {name for name, mode in modes.items() if mode & 0o077} == {"authority.pem"}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_the_key_is_encrypted_when_a_password_is_given(family: Family) -> None:
    assert b"ENCRYPTED PRIVATE" in (family.middle.path / "authority.key").read_bytes()
    with CertificateAuthority.open(family.base, "middle", "wrong") as opened:
        with pytest.raises(WrongPassword):
            opened.unlock()
    with CertificateAuthority.open(family.base, "middle") as opened:
        assert opened.entries() == []  # the ledger needs none
        with pytest.raises(PasswordRequired):
            opened.issue(request())
        assert opened.entries() == []
    asked = []

    def password() -> str:
        asked.append(1)
        return PASSWORD

    with CertificateAuthority.open(family.base, "middle", password) as opened:
        assert not asked
        opened.issue(request())
        opened.issue(request())
    assert asked == [1]


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty password"):
        CertificateAuthority.create(tmp_path, "a", distinguished("A"), password=lambda: "")
    assert CertificateAuthority.names(tmp_path) == []


def test_repr_shows_neither_key_nor_password(family: Family) -> None:
    assert repr(family.middle) == "<CertificateAuthority 'middle', CN=Test Issuer,O=Example>"
    assert PASSWORD not in repr(vars(family.middle)["_folder"])


def test_a_name_is_taken_once(family: Family) -> None:
    with pytest.raises(AuthorityExists, match="'root'"):
        CertificateAuthority.create(family.base, "root", distinguished("Other"))
    with CertificateAuthority.open(family.base, "root") as root:
        assert root.certificate == family.root.certificate
    assert CertificateAuthority.names(family.base) == ["middle", "root"]


def test_a_missing_authority_is_named_with_those_that_are_there(family: Family, tmp_path: Path) -> None:
    with pytest.raises(AuthorityMissing, match="there are middle, root"):
        CertificateAuthority.open(family.base, "rot")
    with pytest.raises(AuthorityMissing, match="there is none"):
        CertificateAuthority.open(tmp_path / "nowhere", "root")


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", ".hidden", "a\0b", "ü", "-a", "a" * 65])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name for an authority"):
        CertificateAuthority.create(tmp_path, name, distinguished("A"))
    with pytest.raises(ValueError, match="not a name for an authority"):
        CertificateAuthority.open(tmp_path, name)


def test_a_key_that_others_can_read_is_refused_with_the_command_to_run(family: Family) -> None:
    key = family.root.path / "authority.key"
    key.chmod(0o644)
    with CertificateAuthority.open(family.base, "root") as opened:
        with pytest.raises(NotPrivate, match="chmod 600"):
            opened.issue(request())
    key.chmod(0o600)
    family.root.path.chmod(0o755)
    with pytest.raises(NotPrivate, match="chmod 700"):
        CertificateAuthority.open(family.base, "root")


def test_a_link_in_the_folders_place_is_refused(family: Family) -> None:
    family.root.path.rename(family.base / "elsewhere")
    (family.base / "root").symlink_to(family.base / "elsewhere")
    with pytest.raises(FileUnavailable, match="symbolic link"):
        CertificateAuthority.open(family.base, "root")


def test_the_key_of_another_authority_is_noticed(family: Family) -> None:
    other = CertificateAuthority.create(family.base, "other", distinguished("Other"))
    other.close()
    (other.path / "authority.key").replace(family.root.path / "authority.key")
    with CertificateAuthority.open(family.base, "root") as opened:
        with pytest.raises(KeyMismatch):
            opened.issue(request())


def test_what_a_killed_maker_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".a.0123456789abcdef.new"
    left.mkdir()
    (left / "authority.key").write_bytes(b"half a key")
    bystander = tmp_path / ".a.b.0123456789abcdef.new"
    bystander.mkdir()
    CertificateAuthority.create(tmp_path, "a", distinguished("A")).close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".a.b.0123456789abcdef.new", "a"]


def test_a_maker_that_fails_leaves_nothing(family: Family, hold_clock: Callable[[float], None]) -> None:
    hold_clock(20 * 365)
    with pytest.raises(RequestRefused) as caught:
        CertificateAuthority.create(family.base, "late", distinguished("Late"), parent=family.root)
    assert caught.value.refusal is RequestRefusal.ISSUER_NOT_VALID
    assert sorted(entry.name for entry in family.base.iterdir()) == ["middle", "root"]


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048"])
def test_authorities_of_each_kind_of_key(tmp_path: Path, kind: str) -> None:
    with Family(tmp_path / kind, kind) as family:
        issued = family.middle.issue(request())
        issued.certificate.verify_directly_issued_by(family.middle.certificate)
        assert issued.chain == (issued.certificate, family.middle.certificate)
        assert issued.chain_pem.count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("kind", ["rsa-1024", "rsa-pss-2048", "dsa"])
def test_an_authority_gets_no_weak_key(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnsupportedKey):
        CertificateAuthority.create(tmp_path, "a", distinguished("A"), key=kind)


def test_a_root_without_a_name_or_with_a_silly_lifetime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestRefused) as caught:
        CertificateAuthority.create(tmp_path, "a", x509.Name([]))
    assert caught.value.refusal is RequestRefusal.NO_NAME
    for days in (0, -1, 100_000, float("nan"), float("inf")):
        with pytest.raises(RequestRefused) as caught:
            CertificateAuthority.create(tmp_path, "a", distinguished("A"), days=days)
        assert caught.value.refusal is RequestRefusal.LIFETIME
    assert list(tmp_path.iterdir()) == []


# -- issuing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["object", "ours", "pem", "text", "der"])
def test_takes_a_request_in_each_form(family: Family, form: str) -> None:
    csr = request()
    pem = request_pem(csr)
    forms: dict[str, Request] = {
        "object": csr,
        "ours": SimpleNamespace(csr=csr),
        "pem": pem,
        "text": pem.decode(),
        "der": csr.public_bytes(Encoding.DER),
    }
    given = forms[form]
    issued = family.root.issue(given)
    assert issued.certificate.public_key() == csr.public_key()
    assert issued.chain == (issued.certificate,)


def test_a_server_gets_what_the_profile_says(family: Family) -> None:
    before = int(clock.now())
    certificate = family.root.issue(request()).certificate
    assert extension(certificate, ExtensionOID.BASIC_CONSTRAINTS).critical
    assert extension(certificate, ExtensionOID.BASIC_CONSTRAINTS).value == x509.BasicConstraints(False, None)
    usage = extension(certificate, ExtensionOID.KEY_USAGE)
    assert usage.critical
    assert usage.value == x509.KeyUsage(True, *[False] * 8)
    assert extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE).value == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH]
    )
    assert not extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).critical
    assert certificate.not_valid_before_utc.timestamp() == pytest.approx(before - 3600, abs=5)
    assert certificate.not_valid_after_utc.timestamp() == pytest.approx(before + 90 * DAY, abs=5)
    assert certificate.serial_number.bit_length() <= 159


def test_serials_are_159_bits_of_randomness(family: Family) -> None:
    serials = [family.root.issue(request()).certificate.serial_number for _ in range(24)]
    assert len(set(serials)) == 24
    assert max(serial.bit_length() for serial in serials) > 150
    assert all(serial.bit_length() <= 159 for serial in serials)


@pytest.mark.parametrize(
    ("profile", "usages"),
    [
        (SERVER, [ExtendedKeyUsageOID.SERVER_AUTH]),
        (CLIENT, [ExtendedKeyUsageOID.CLIENT_AUTH]),
        (BOTH, [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_profiles_by_object_name_and_purpose(
    family: Family, profile: object, usages: list[x509.ObjectIdentifier]
) -> None:
    name: str = getattr(profile, "name", "")
    for given in (profile, name, Purpose(name)):
        certificate = family.root.issue(request(), profile=given).certificate  # type: ignore[arg-type]
        assert list(extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE).value) == usages  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="not a profile; there are server, client"):
        family.root.issue(request(), profile="sever")


def test_a_request_narrows_what_a_profile_gives(family: Family) -> None:
    csr = request(
        distinguished("peer"),
        host("peer.example.org"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.KeyUsage(True, False, True, False, True, False, False, False, False), True),
        key="rsa-2048",
    )
    certificate = family.root.issue(csr, profile="both").certificate
    assert list(extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE).value) == [  # type: ignore[call-overload]
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    # keyEncipherment is optional in the profile and this key can; keyAgreement is in no profile.
    usage = extension(certificate, ExtensionOID.KEY_USAGE).value
    assert usage == x509.KeyUsage(True, False, True, False, False, False, False, False, False)


def test_names_and_requests_of_ours_are_taken(tmp_path: Path) -> None:
    subject = DistinguishedName.parse("CN=Ours,O=Example")
    made = CertificateRequest.create("CN=w.example.org", "dns:w.example.org", usage="both")
    below = CertificateRequest.create("CN=Below", usage="intermediate")
    with CertificateAuthority.create(tmp_path, "ours", subject) as authority:
        assert DistinguishedName.from_x509(authority.certificate.subject) == subject
        issued = authority.issue(made, profile="both", subject="/O=Example/CN=w.example.org")
        assert issued.certificate.subject.rfc4514_string() == "CN=w.example.org,O=Example"
        assert issued.dropped == ()
        issued = authority.issue(made, sans="dns:x.example.org,ip:192.0.2.9", subject="CN=x", profile="both")
        assert SubjectAlternativeNames.from_extensions(issued.certificate.extensions) == SubjectAlternativeNames.parse(
            "dns:x.example.org,ip:192.0.2.9"
        )
        with pytest.raises(NameSyntaxError):
            authority.issue(made, sans="x.example.org")
        assert authority.issue(below, profile="intermediate").certificate.public_key() == below.public_key
    with pytest.raises(NameSyntaxError):
        CertificateAuthority.create(tmp_path, "bad", "CN=a,=b")


def test_names_and_subject_can_be_given_in_place_of_the_requests(family: Family) -> None:
    issued = family.root.issue(
        request(),
        sans=["dns:b.example.org", "192.0.2.7", "uri:spiffe://example.org/b", x509.DNSName("c.example.org")],
        subject=distinguished("b.example.org"),
    )
    names = extension(issued.certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert [name.value if isinstance(name, x509.DNSName) else str(name.value) for name in names] == [  # type: ignore[attr-defined]
        "b.example.org",
        "192.0.2.7",
        "spiffe://example.org/b",
        "c.example.org",
    ]
    assert issued.certificate.subject == distinguished("b.example.org")


def test_without_copying_the_names_are_the_callers_alone(family: Family) -> None:
    issued = family.root.issue(request(distinguished("x")), copy_policy=NO_COPY_POLICY, sans=["given.example.org"])
    names = extension(issued.certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert names == x509.SubjectAlternativeName([x509.DNSName("given.example.org")])
    assert issued.dropped == (ExtensionOID.SUBJECT_ALTERNATIVE_NAME,)
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(request(distinguished("x")), copy_policy=NO_COPY_POLICY)
    assert caught.value.refusal is RequestRefusal.NO_NAME


def test_what_is_dropped_is_told_and_must_staple_is_kept(family: Family) -> None:
    csr = request(
        distinguished("a.example.org"),
        host("a.example.org", "A.EXAMPLE.org"),
        (x509.TLSFeature([x509.TLSFeatureType.status_request, x509.TLSFeatureType.status_request_v2]), False),
        (x509.SubjectKeyIdentifier(b"chosen by the requester"), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), False),
    )
    issued = family.root.issue(csr)
    found = {item.oid: item.value for item in issued.certificate.extensions}
    assert found[ExtensionOID.TLS_FEATURE] == x509.TLSFeature([x509.TLSFeatureType.status_request])
    assert found[ExtensionOID.SUBJECT_KEY_IDENTIFIER] == x509.SubjectKeyIdentifier.from_public_key(csr.public_key())
    assert found[ExtensionOID.SUBJECT_ALTERNATIVE_NAME] == host("a.example.org")[0]
    assert {oid.dotted_string for oid in issued.dropped} == {"2.5.29.14", "1.3.6.1.4.1.55555.1"}
    assert not {oid.dotted_string for oid in found} & {"1.3.6.1.4.1.55555.1"}


def test_a_subject_alone_is_enough_for_a_client_and_names_alone_for_anyone(family: Family) -> None:
    bare = request(distinguished("Ada Lovelace"), (x509.BasicConstraints(False, None), True))
    assert family.root.issue(bare, profile="client").certificate.subject == distinguished("Ada Lovelace")
    nameless = family.root.issue(request(x509.Name([]), host("a.example.org"))).certificate
    assert extension(nameless, ExtensionOID.SUBJECT_ALTERNATIVE_NAME).critical
    nobody = request(x509.Name([]), (x509.BasicConstraints(False, None), True))
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(nobody, profile="client")
    assert caught.value.refusal is RequestRefusal.NO_NAME


def test_code_signing_wants_a_larger_rsa_key(family: Family) -> None:
    bare = (x509.BasicConstraints(False, None), True)
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(request(distinguished("Publisher"), bare, key="rsa-2048"), profile=CODE_SIGNING)
    assert caught.value.refusal is RequestRefusal.WEAK_KEY
    certificate = family.root.issue(request(distinguished("Publisher"), bare, key="rsa-3072"), profile="code-signing")
    assert isinstance(certificate.certificate.public_key(), rsa.RSAPublicKey)


def test_lifetimes_have_bounds(family: Family) -> None:
    for days in (0, -5, 399, float("nan"), float("inf"), 1e308):
        with pytest.raises(RequestRefused) as caught:
            family.root.issue(request(), days=days)
        assert caught.value.refusal is RequestRefusal.LIFETIME, days
    # A profile of one's own is a change of data.
    week = dataclasses.replace(SERVER, name="week", days=7, maximum_days=7)
    certificate = family.root.issue(request(), profile=week).certificate
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 7
    assert family.root.entries()[-1].profile == "week"


def test_nothing_outlives_its_issuer(tmp_path: Path, hold_clock: Callable[[float], None]) -> None:
    with CertificateAuthority.create(tmp_path, "short", distinguished("Short"), days=30) as short:
        assert short.issue(request()).certificate.not_valid_after_utc == short.certificate.not_valid_after_utc
        with pytest.raises(RequestRefused, match=r"at most (29|30) days") as caught:
            short.issue(request(), days=31)
        assert caught.value.refusal is RequestRefusal.OUTLIVES_ISSUER
        for moved in (31, -2):
            hold_clock(moved)
            with pytest.raises(RequestRefused) as caught:
                short.issue(request())
            assert caught.value.refusal is RequestRefusal.ISSUER_NOT_VALID


def test_addresses_stand_in_what_is_issued(tmp_path: Path) -> None:
    addresses = {
        "crl_url": "http://pki.example.org/root.crl",
        "ocsp_url": "http://ocsp.example.org/",
        "issuer_url": "http://pki.example.org/root.cer",
    }
    CertificateAuthority.create(tmp_path, "a", distinguished("A"), **addresses).close()  # type: ignore[arg-type]
    with CertificateAuthority.open(tmp_path, "a") as authority:
        certificate = authority.issue(request()).certificate
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {item.access_method: item.access_location.value for item in access} == {
        AuthorityInformationAccessOID.OCSP: addresses["ocsp_url"],
        AuthorityInformationAccessOID.CA_ISSUERS: addresses["issuer_url"],
    }
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name or ()] == [addresses["crl_url"]]
    with pytest.raises(RequestRefused, match="is not a URI"):
        CertificateAuthority.create(tmp_path, "b", distinguished("B"), crl_url="pki example")


# -- authorities below authorities --------------------------------------------------------------------------------


def test_an_intermediate_stands_in_its_parents_ledger(family: Family) -> None:
    (entry,) = family.root.entries()
    assert entry.certificate == family.middle.certificate
    assert entry.profile == "intermediate"
    assert family.middle.issuers == (family.root.certificate,)
    assert extension(family.middle.certificate, ExtensionOID.BASIC_CONSTRAINTS).value == x509.BasicConstraints(True, 0)


def test_path_lengths_shrink_on_the_way_down(tmp_path: Path) -> None:
    with CertificateAuthority.create(tmp_path, "a", distinguished("A"), path_length=2) as a:
        with CertificateAuthority.create(tmp_path, "b", distinguished("B"), parent=a, path_length=9) as b:
            with CertificateAuthority.create(tmp_path, "c", distinguished("C"), parent=b) as c:
                assert extension(b.certificate, ExtensionOID.BASIC_CONSTRAINTS).value == x509.BasicConstraints(True, 1)
                assert extension(c.certificate, ExtensionOID.BASIC_CONSTRAINTS).value == x509.BasicConstraints(True, 0)
                assert c.issuers == (b.certificate, a.certificate)
                assert c.issue(request()).chain[1:] == (c.certificate, b.certificate)
                with pytest.raises(RequestRefused) as caught:
                    CertificateAuthority.create(tmp_path, "d", distinguished("D"), parent=c)
                assert caught.value.refusal is RequestRefusal.PATH_LENGTH
    assert CertificateAuthority.names(tmp_path) == ["a", "b", "c"]


def test_a_foreign_authority_is_certified_by_its_request(family: Family) -> None:
    asked = (x509.BasicConstraints(True, None), True)
    csr = request(distinguished("Branch office"), asked)
    certificate = family.root.issue(csr, profile=INTERMEDIATE).certificate
    assert extension(certificate, ExtensionOID.BASIC_CONSTRAINTS).value == x509.BasicConstraints(True, 0)
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(
            request(distinguished("X"), (x509.BasicConstraints(False, None), True)), profile="intermediate"
        )
    assert caught.value.refusal is RequestRefusal.AUTHORITY_NOT_ASKED


def test_name_constraints_bind_the_authority_itself(family: Family) -> None:
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName("example.org"), x509.DirectoryName(x509.Name([]))],
        excluded_subtrees=[x509.DNSName("secret.example.org")],
    )
    with CertificateAuthority.create(
        family.base, "narrow", distinguished("Narrow"), parent=family.root, name_constraints=constraints
    ) as narrow:
        narrow.issue(request(distinguished("x"), host("www.example.org", "*.www.example.org")))
        for name in ("www.example.com", "badexample.org", "a.secret.example.org", "*.example.org"):
            with pytest.raises(RequestRefused) as caught:
                narrow.issue(request(distinguished("x"), host("ok.example.org", name)))
            assert caught.value.refusal is RequestRefusal.NAME_CONSTRAINT, name


@pytest.mark.parametrize(
    ("permitted", "subject", "name", "allowed"),
    [
        (x509.RFC822Name("example.org"), {"EMAIL_ADDRESS": "a@example.org"}, None, True),
        (x509.RFC822Name("example.org"), {"EMAIL_ADDRESS": "a@example.com"}, None, False),
        (x509.RFC822Name("A@example.org"), {}, x509.RFC822Name("A@EXAMPLE.org"), True),
        (x509.RFC822Name("A@example.org"), {}, x509.RFC822Name("a@example.org"), False),
        (x509.DNSName("example.org"), {}, x509.DNSName("WWW.EXAMPLE.ORG"), True),
        (x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")), {}, x509.IPAddress(ipaddress.ip_address("::1")), False),
    ],
)
def test_what_may_be_issued_is_what_verifiers_believe(
    family: Family, permitted: x509.GeneralName, subject: dict[str, str], name: x509.GeneralName | None, allowed: bool
) -> None:
    """RFC 5280 section 4.2.1.10: also addresses in the subject count, and the case of what is before their @."""
    attributes = [x509.NameAttribute(getattr(NameOID, kind), value) for kind, value in subject.items()]
    asked = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x"), *attributes])
    names = [x509.SubjectAlternativeName([name])] if name is not None else []
    csr = request(asked, *((each, False) for each in names))
    constraints = x509.NameConstraints([permitted], None)
    with CertificateAuthority.create(
        family.base, "narrow", distinguished("Narrow"), parent=family.root, name_constraints=constraints
    ) as narrow:
        if not allowed:
            with pytest.raises(RequestRefused) as caught:
                narrow.issue(csr, profile="client")
            assert caught.value.refusal is RequestRefusal.NAME_CONSTRAINT
            return
        chain = [certificate_der(one) for one in narrow.issue(csr, profile="client").chain]
    Verifier(TrustAnchors([family.root.certificate])).verify_client(chain, clock.now())


# -- renewal ------------------------------------------------------------------------------------------------------


def test_renewal_keeps_everything_but_dates_and_serial(family: Family, hold_clock: Callable[[float], None]) -> None:
    old = family.middle.issue(request(), days=60).certificate
    hold_clock(50)
    renewed = family.middle.renew(old)
    new = renewed.certificate
    assert new.subject == old.subject
    assert new.public_key() == old.public_key()
    assert [e for e in new.extensions if e.oid != ExtensionOID.AUTHORITY_KEY_IDENTIFIER] == [
        e for e in old.extensions if e.oid != ExtensionOID.AUTHORITY_KEY_IDENTIFIER
    ]
    assert new.serial_number != old.serial_number
    assert (new.not_valid_after_utc - old.not_valid_after_utc).days == 50
    assert family.middle.entry(new).renews == old.serial_number
    assert family.middle.entry(old).revoked_at is None
    assert renewed.chain[1] == family.middle.certificate


def test_a_revoked_certificate_is_not_renewed(family: Family) -> None:
    issued = family.root.issue(request()).certificate
    family.root.revoke(issued)
    with pytest.raises(RequestRefused) as caught:
        family.root.renew(issued)
    assert caught.value.refusal is RequestRefusal.REVOKED


def test_an_intermediate_is_renewed_and_installed(family: Family, hold_clock: Callable[[float], None]) -> None:
    old = family.middle.certificate
    hold_clock(1000)
    new = family.root.renew(old).certificate
    family.middle.install(new)
    with CertificateAuthority.open(family.base, "middle", PASSWORD) as opened:
        assert opened.certificate == new
        opened.issue(request()).certificate.verify_directly_issued_by(new)
    with pytest.raises(AuthorityFolderUnusable):
        family.middle.install(family.root.certificate)


def test_a_profile_of_ones_own_must_be_given_again_to_renew(family: Family) -> None:
    week = dataclasses.replace(SERVER, name="week", days=7, maximum_days=7)
    old = family.root.issue(request(), profile=week).certificate
    with pytest.raises(ValueError, match="'week' is none of ours"):
        family.root.renew(old)
    assert family.root.renew(old, profile=week).certificate.public_key() == old.public_key()


# -- the ledger's face --------------------------------------------------------------------------------------------


def test_a_certificate_is_found_by_serial_thumbprint_and_itself(family: Family) -> None:
    issued = family.root.issue(request()).certificate
    entry = family.root.entry(issued)
    serial = issued.serial_number
    colons = ":".join(entry.thumbprint[i : i + 2] for i in range(0, 64, 2)).upper()
    for which in (serial, f"{serial:x}", f"{serial:040X}", entry.thumbprint, entry.thumbprint[:8], colons, entry):
        assert family.root.entry(which) == entry
    assert entry.certificate == issued
    others: list[Which] = [serial + 1, -1, 1 << 200, "00", "zz", "", entry.thumbprint[:7], "f" * 65]
    for other in [*others, family.root.certificate]:
        with pytest.raises(NotInLedger):
            family.root.entry(other)


def test_states_of_entries(family: Family, hold_clock: Callable[[float], None]) -> None:
    issued = [family.root.issue(request()).certificate for _ in range(3)]
    family.root.revoke(issued[0], "superseded")
    family.root.revoke(issued[1], "certificate-hold")
    states = [entry.state(clock.now()) for entry in family.root.entries()[1:]]
    assert states == [EntryState.REVOKED, EntryState.HELD, EntryState.VALID]
    hold_clock(100)
    assert family.root.entry(issued[2]).state(clock.now()) is EntryState.EXPIRED
    assert family.root.entry(issued[0]).state(clock.now()) is EntryState.REVOKED


@pytest.mark.parametrize("reason", [flag for flag in x509.ReasonFlags if flag.name != "remove_from_crl"])
def test_every_reason_reaches_list_and_ledger(family: Family, reason: x509.ReasonFlags) -> None:
    issued = family.root.issue(request()).certificate
    entry = family.root.revoke(issued, reason.value)
    assert entry.reason is reason
    revoked = family.root.crl().get_revoked_certificate_by_serial_number(issued.serial_number)
    assert revoked is not None
    if reason is x509.ReasonFlags.unspecified:
        assert not list(revoked.extensions)
    else:
        assert revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason is reason


def test_revocations_that_are_refused(family: Family) -> None:
    issued = family.root.issue(request()).certificate
    for reason in ("removeFromCRL", "because", ""):
        with pytest.raises(RevocationRefused):
            family.root.revoke(issued, reason)
    with pytest.raises(NotInLedger):
        family.root.revoke(1)
    with pytest.raises(RevocationRefused, match="not on hold"):
        family.root.release(issued)
    family.root.revoke(issued, "keyCompromise")
    with pytest.raises(RevocationRefused, match=r"since .* UTC \(keyCompromise\)"):
        family.root.revoke(issued, "superseded")
    assert family.root.entry(issued).reason is x509.ReasonFlags.key_compromise


def test_a_hold_is_taken_back_or_made_final(family: Family, hold_clock: Callable[[float], None]) -> None:
    issued = family.root.issue(request()).certificate
    held = family.root.revoke(issued, "certificateHold")
    with pytest.raises(RevocationRefused):
        family.root.revoke(issued, "certificateHold")
    assert len(list(family.root.crl())) == 1
    family.root.release(issued)
    assert len(list(family.root.crl())) == 0
    family.root.revoke(issued, "certificateHold")
    hold_clock(3)
    final = family.root.revoke(issued, "keyCompromise")
    assert final.revoked_at == pytest.approx(held.revoked_at, abs=5)
    assert final.reason is x509.ReasonFlags.key_compromise


def test_a_compromised_key_gets_no_certificate_again(family: Family) -> None:
    csr = request()
    first, second = (family.root.issue(csr).certificate for _ in range(2))
    family.root.revoke(first, "keyCompromise")
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(csr)
    assert caught.value.refusal is RequestRefusal.KEY_COMPROMISED
    with pytest.raises(RequestRefused) as caught:
        family.root.renew(second)
    assert caught.value.refusal is RequestRefusal.KEY_COMPROMISED


def test_lists_are_numbered_dated_and_kept(family: Family) -> None:
    issued = [family.middle.issue(request()).certificate for _ in range(3)]
    assert family.middle.latest_crl() is None
    for number, certificate in enumerate(issued, start=1):
        family.middle.revoke(certificate)
        before = int(clock.now())
        crl = family.middle.crl(days=3)
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == number
        assert len(crl) == number
        assert crl.is_signature_valid(family.middle.certificate.public_key())  # type: ignore[arg-type]
        assert crl.issuer == family.middle.certificate.subject
        assert crl.next_update_utc is not None
        assert (crl.next_update_utc - crl.last_update_utc).days == 3
        assert crl.last_update_utc.timestamp() == pytest.approx(before, abs=5)
        assert family.middle.latest_crl() == crl
    for days in (0, -1, float("nan"), float("inf"), 1e9):
        with pytest.raises(ValueError, match="more than 0 and at most"):
            family.middle.crl(days=days)
        with pytest.raises(ValueError, match="more than 0 and at most"):
            family.middle.ocsp_response(b"", days=days)


def test_an_expired_certificate_leaves_the_list_after_one_more(
    family: Family, hold_clock: Callable[[float], None]
) -> None:
    issued = family.root.issue(request(), days=10).certificate
    family.root.revoke(issued)
    family.root.crl()
    hold_clock(11)
    # RFC 5280 section 3.3: not removed until it appeared on one list issued beyond its validity.
    assert len(family.root.crl()) == 1
    hold_clock(12)
    assert len(family.root.crl()) == 0


def test_our_own_verifier_believes_lists_and_answers(family: Family) -> None:
    good, bad = (family.middle.issue(request()).certificate for _ in range(2))
    family.middle.revoke(bad, "keyCompromise")
    issuer = family.middle.certificate
    lists = RevocationLists.load(family.middle.crl().public_bytes(Encoding.PEM))
    now = datetime.datetime.now(datetime.UTC)
    responses = []
    for leaf in (good, bad):
        asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256()).build()
        responses.append(family.middle.ocsp_response(asked.public_bytes(Encoding.DER)))
    for check in (
        RevocationCheck(lists, whole_chain=False),
        RevocationCheck(whole_chain=False, answers=OCSPAnswers(responses)),
    ):
        for leaf, expected in ((good, []), (bad, [Refusal.REVOKED])):
            path = [facts_of(certificate_der(certificate)) for certificate in (leaf, issuer)]
            assert [problem.refusal for problem in check.problems(path, now)] == expected
