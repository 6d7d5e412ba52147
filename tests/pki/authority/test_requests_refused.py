"""Hostile and mistaken requests: each is refused with its reason, and nothing is written."""

from __future__ import annotations

import functools
import ipaddress
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.pki.authority.support import Family, distinguished, host, request, request_pem
from tests.properties.damage import ALL_KINDS, Edit, edited, edits
from tlsocket.pki import der
from tlsocket.pki.authority import (
    CLIENT,
    DEFAULT_COPY_POLICY,
    NO_COPY_POLICY,
    PROFILES,
    SERVER,
    CopyPolicy,
    RequestRefusal,
    RequestRefused,
    Treatment,
)
from tlsocket.pki.authority.examination import MAXIMUM_REQUEST_SIZE, check_key, examine, parse_request
from tlsocket.pki.authority.identities import check_names, check_subject, general_name
from tlsocket.pki.authority.signing import sign_bytes, signature_algorithm
from tlsocket.pki.keys import PrivateKey, generate_private_key

CRITICAL_UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.9"), b"\x05\x00")
BITS = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    with Family(tmp_path_factory.mktemp("authorities") / "all") as family:
        yield family


def refused(
    family: Family, csr: x509.CertificateSigningRequest | bytes | str, profile: str = "server"
) -> RequestRefused:
    """The refusal; the ledger must be as before."""
    before = family.root.entries()
    with pytest.raises(RequestRefused) as caught:
        family.root.issue(csr, profile=profile)
    assert family.root.entries() == before
    assert caught.value.problem.startswith(caught.value.refusal.value)
    assert "\n" not in str(caught.value)
    return caught.value


@functools.cache
def kept_key(kind: str = "ecdsa-p256") -> PrivateKey:
    return generate_private_key(kind)


def mail(address: str) -> x509.RFC822Name:
    """As it comes out of somebody else's request: the constructor is stricter than the parser."""
    return x509.RFC822Name._init_without_validation(address)


def too_long_a_name() -> x509.Name:
    """65 characters, where RFC 5280 allows 64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a" * 65, _validate=False)])


def resigned(body: bytes, key: PrivateKey) -> bytes:
    """A request around any CertificationRequestInfo, well signed: a requester can sign what he likes."""
    bits = der.encode(0x03, b"\0", sign_bytes(key, body))
    return der.encode(der.SEQUENCE, body, signature_algorithm(key), bits)


# -- the request as a whole ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", RequestRefusal.MALFORMED),
        (b"\x30", RequestRefusal.MALFORMED),
        (b"\x30\x03\x02\x01\x00", RequestRefusal.MALFORMED),
        (b"\x30\x84\xff\xff\xff\xff", RequestRefusal.MALFORMED),
        ("-----BEGIN CERTIFICATE REQUEST-----\n", RequestRefusal.MALFORMED),
        ("-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n", RequestRefusal.MALFORMED),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", RequestRefusal.MALFORMED),
        ("ünicode", RequestRefusal.MALFORMED),
        (b"\x30" * (MAXIMUM_REQUEST_SIZE + 1), RequestRefusal.TOO_LARGE),
    ],
)
def test_what_is_no_request(authorities: Family, data: bytes | str, refusal: RequestRefusal) -> None:
    assert refused(authorities, data).refusal is refusal


def test_the_certificate_in_the_requests_place(authorities: Family) -> None:
    pem = authorities.root.certificate.public_bytes(Encoding.PEM)
    assert "not the key or a certificate" in refused(authorities, pem).remedy


def test_a_signature_that_is_not_its_keys(authorities: Family) -> None:
    csr = request()
    whole = bytearray(csr.public_bytes(Encoding.DER))
    whole[-10] ^= 1
    assert refused(authorities, bytes(whole)).refusal is RequestRefusal.BAD_SIGNATURE
    # The body of one request with the signature of another key.
    body = csr.tbs_certrequest_bytes
    assert refused(authorities, resigned(body, kept_key())).refusal is RequestRefusal.BAD_SIGNATURE


def test_a_weak_signature(authorities: Family) -> None:
    key = kept_key("rsa-2048")
    body = request(key=key).tbs_certrequest_bytes
    sha1_with_rsa = bytes.fromhex("300d06092a864886f70d0101050500")
    whole = der.encode(der.SEQUENCE, body, sha1_with_rsa, der.encode(0x03, b"\0" + bytes(256)))
    assert refused(authorities, whole).refusal is RequestRefusal.WEAK_SIGNATURE


# -- keys ---------------------------------------------------------------------------------------------------------


def test_weak_and_strange_keys(authorities: Family) -> None:
    assert refused(authorities, request(key="rsa-1024")).refusal is RequestRefusal.WEAK_KEY
    odd = rsa.generate_private_key(3, 2048)
    assert refused(authorities, request(key=odd)).refusal is RequestRefusal.WEAK_KEY
    for curve in (ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()):
        strange = ec.generate_private_key(curve)
        assert refused(authorities, request(key=strange)).refusal is RequestRefusal.UNSUPPORTED_KEY
    old = dsa.generate_private_key(1024)
    csr = x509.CertificateSigningRequestBuilder().subject_name(distinguished("x")).sign(old, hashes.SHA256())
    assert refused(authorities, csr).refusal is RequestRefusal.UNSUPPORTED_KEY


def test_keys_that_no_signature_is_needed_to_refuse() -> None:
    def public(n: int, e: int = 65537) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(e, n).public_key()

    good = kept_key("rsa-2048")
    assert isinstance(good, rsa.RSAPrivateKey)
    modulus = good.public_key().public_numbers().n
    assert check_key(good.public_key(), SERVER) is not None
    cases: list[tuple[object, RequestRefusal]] = [
        (public(modulus * 3), RequestRefusal.WEAK_KEY),
        (public(modulus * 97), RequestRefusal.WEAK_KEY),
        (public((1 << 9000) + 1), RequestRefusal.UNSUPPORTED_KEY),
        (x25519.X25519PrivateKey.generate().public_key(), RequestRefusal.UNSUPPORTED_KEY),
        (None, RequestRefusal.UNSUPPORTED_KEY),
    ]
    for key, refusal in cases:
        with pytest.raises(RequestRefused) as caught:
            check_key(key, SERVER)
        assert caught.value.refusal is refusal


def test_the_authoritys_own_key(tmp_path: Path) -> None:
    with Family(tmp_path / "f") as family:
        key = family.root._folder.read_key(None)
        assert refused(family, request(key=key)).refusal is RequestRefusal.KEY_OF_AUTHORITY


# -- extensions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["server", "client", "both", "code-signing"])
@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(True, None),
        x509.BasicConstraints(True, 0),
        x509.KeyUsage(**{**BITS, "key_cert_sign": True}),
        x509.KeyUsage(**{**BITS, "digital_signature": True, "crl_sign": True}),
    ],
)
@pytest.mark.parametrize("critical", [True, False])
def test_no_leaf_becomes_an_authority(
    authorities: Family, profile: str, extension: x509.ExtensionType, critical: bool
) -> None:
    csr = request(distinguished("a"), (extension, critical), *([host("a.example")] if "code" not in profile else []))
    assert refused(authorities, csr, profile).refusal is RequestRefusal.AUTHORITY_ASKED


@pytest.mark.parametrize(
    "usage",
    [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.CODE_SIGNING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.CERTIFICATE_TRANSPARENCY,
        x509.ObjectIdentifier("1.3.6.1.4.1.55555.7"),
    ],
)
def test_no_usage_beyond_the_profile(authorities: Family, usage: x509.ObjectIdentifier) -> None:
    asked = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, usage])
    refusal = refused(authorities, request(distinguished("x"), host("a.example"), (asked, False)))
    assert refusal.refusal is RequestRefusal.USAGE_BEYOND_PROFILE
    assert usage.dotted_string in refusal.detail


@pytest.mark.parametrize(
    ("extension", "critical", "refusal"),
    [
        (CRITICAL_UNKNOWN, True, RequestRefusal.CRITICAL_EXTENSION),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]), True,
         RequestRefusal.CRITICAL_EXTENSION),
        (x509.SubjectKeyIdentifier(b"x"), True, RequestRefusal.FORBIDDEN_EXTENSION),
        (x509.NameConstraints([x509.DNSName("a.example")], None), True, RequestRefusal.FORBIDDEN_EXTENSION),
        (x509.NameConstraints([x509.DNSName("a.example")], None), False, RequestRefusal.FORBIDDEN_EXTENSION),
        (x509.InhibitAnyPolicy(0), True, RequestRefusal.FORBIDDEN_EXTENSION),
        (x509.PolicyConstraints(0, None), True, RequestRefusal.FORBIDDEN_EXTENSION),
        (x509.PrecertPoison(), True, RequestRefusal.FORBIDDEN_EXTENSION),
    ],
)  # fmt: skip
def test_extensions_that_are_refused(
    authorities: Family, extension: x509.ExtensionType, critical: bool, refusal: RequestRefusal
) -> None:
    csr = request(distinguished("x"), host("a.example"), (extension, critical))
    assert refused(authorities, csr).refusal is refusal


@pytest.mark.parametrize(
    "extension",
    [
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]),
        x509.OCSPNoCheck(),
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1"),
                                    x509.UniformResourceIdentifier("http://evil.example/"))]
        ),
        x509.AuthorityKeyIdentifier(b"of another", None, None),
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.UniformResourceIdentifier("http://evil.example/")], None, None, None)]
        ),
    ],
    ids=lambda extension: type(extension).__name__,
)  # fmt: skip
def test_extensions_that_never_reach_a_certificate(authorities: Family, extension: x509.ExtensionType) -> None:
    issued = authorities.root.issue(request(distinguished("x"), host("a.example"), (extension, False)))
    assert issued.dropped == (extension.oid,)
    values = [item.value for item in issued.certificate.extensions]
    assert extension not in values


def test_an_extension_twice_or_cut_off(authorities: Family) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")]).public_bytes()
    oid = bytes.fromhex("0603551d11")
    extension = der.encode(der.SEQUENCE, oid, der.encode(der.OCTET_STRING, names))
    cut = der.encode(der.SEQUENCE, oid, der.encode(der.OCTET_STRING, names[:-3]))
    for extensions in ((extension, extension), (cut,)):
        data = body_with(*extensions)
        assert refused(authorities, resigned(data, kept_key())).refusal is RequestRefusal.EXTENSION_MALFORMED


def body_with(*extensions: bytes) -> bytes:
    """A CertificationRequestInfo for `kept_key` with these encoded extensions."""
    fields = der.elements(der.split(request(key=kept_key()).tbs_certrequest_bytes)[1])
    wanted = der.encode(0x31, der.encode(der.SEQUENCE, *extensions))
    attribute = der.encode(der.SEQUENCE, bytes.fromhex("06092a864886f70d01090e"), wanted)
    return der.encode(der.SEQUENCE, *fields[:3], der.encode(0xA0, attribute))


def test_more_extensions_than_anybody_needs(authorities: Family) -> None:
    many = [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.3.6.1.4.1.55555.{i}"), b"\x05\x00"), False)
        for i in range(40)
    ]
    assert refused(authorities, request(distinguished("x"), *many)).refusal is RequestRefusal.TOO_LARGE


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("*", RequestRefusal.WILDCARD),
        ("*.org", RequestRefusal.WILDCARD),
        ("a.*.example.org", RequestRefusal.WILDCARD),
        ("*.*.example.org", RequestRefusal.WILDCARD),
        ("a*.example.org", RequestRefusal.WILDCARD),
        ("**.example.org", RequestRefusal.WILDCARD),
        ("", RequestRefusal.BAD_NAME),
        (".", RequestRefusal.BAD_NAME),
        ("example.org.", RequestRefusal.BAD_NAME),
        (".example.org", RequestRefusal.BAD_NAME),
        ("a..example.org", RequestRefusal.BAD_NAME),
        ("-a.example.org", RequestRefusal.BAD_NAME),
        ("a-.example.org", RequestRefusal.BAD_NAME),
        ("a_b.example.org", RequestRefusal.BAD_NAME),
        ("a b.example.org", RequestRefusal.BAD_NAME),
        ("a\0.example.org", RequestRefusal.BAD_NAME),
        ("www.example.org\0.evil.example", RequestRefusal.BAD_NAME),
        ("\x1b[2J.example.org", RequestRefusal.BAD_NAME),
        ("192.0.2.1", RequestRefusal.BAD_NAME),
        ("example.1", RequestRefusal.BAD_NAME),
        ("http://example.org", RequestRefusal.BAD_NAME),
        ("example.org:443", RequestRefusal.BAD_NAME),
        ("a@example.org", RequestRefusal.BAD_NAME),
        ("ab--cd.example.org", RequestRefusal.BAD_NAME),
        ("xn--.example.org", RequestRefusal.BAD_NAME),
        ("xn--abc-.example.org", RequestRefusal.BAD_NAME),
        ("xn--99999999999.example.org", RequestRefusal.BAD_NAME),
        ("a" * 64 + ".example.org", RequestRefusal.BAD_NAME),
        (".".join(["a" * 49] * 6), RequestRefusal.BAD_NAME),
    ],
)
def test_host_names_that_are_none(authorities: Family, name: str, refusal: RequestRefusal) -> None:
    # Among good ones, so that no single one is passed over.
    csr = request(distinguished("x"), host("a.example", name, "b.example"))
    error = refused(authorities, csr)
    assert error.refusal is refusal
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "name",
    ["localhost", "a.example", "*.example.org", "xn--mnchen-3ya.example", "XN--MNCHEN-3YA.example", "1a.example",
     "a.b-c.example", ".".join(["a" * 49] * 5)],
)  # fmt: skip
def test_host_names_that_are(authorities: Family, name: str) -> None:
    issued = authorities.root.issue(request(distinguished("x"), host(name)))
    assert issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == host(name)[0]


def test_a_profile_without_wildcards() -> None:
    with pytest.raises(RequestRefused) as caught:
        check_names([x509.DNSName("*.example.org")], CLIENT)
    assert caught.value.refusal is RequestRefusal.WILDCARD


@pytest.mark.parametrize(
    ("name", "profile", "refusal"),
    [
        (mail("a@example.org"), "server", RequestRefusal.NAME_KIND),
        (x509.DNSName("a.example.org"), "code-signing", RequestRefusal.NAME_KIND),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), "both", RequestRefusal.NAME_KIND),
        (x509.DirectoryName(distinguished("Root")), "client", RequestRefusal.NAME_KIND),
        (x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x05admin"), "client",
         RequestRefusal.NAME_KIND),
        (x509.IPAddress(ipaddress.ip_address("0.0.0.0")), "server", RequestRefusal.BAD_NAME),
        (x509.IPAddress(ipaddress.ip_address("255.255.255.255")), "server", RequestRefusal.BAD_NAME),
        (x509.IPAddress(ipaddress.ip_address("::")), "server", RequestRefusal.BAD_NAME),
        (x509.IPAddress(ipaddress.ip_address("ff02::1")), "server", RequestRefusal.BAD_NAME),
        (mail("example.org"), "client", RequestRefusal.BAD_NAME),
        (mail("a b@example.org"), "client", RequestRefusal.BAD_NAME),
        (mail("a@@example.org"), "client", RequestRefusal.BAD_NAME),
        (mail("@example.org"), "client", RequestRefusal.BAD_NAME),
        (mail("a@-example.org"), "client", RequestRefusal.BAD_NAME),
        (mail("A <a@example.org>"), "client", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("example"), "server", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("http:"), "server", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("https://user:pw@example.org/"), "server", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("https://[::1/"), "server", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("https://exa mple.org/"), "server", RequestRefusal.BAD_NAME),
        (x509.UniformResourceIdentifier("https://example.org/" + "a" * 2048), "server", RequestRefusal.BAD_NAME),
    ],
    ids=str,
)  # fmt: skip
def test_other_names_that_are_refused(
    authorities: Family, name: x509.GeneralName, profile: str, refusal: RequestRefusal
) -> None:
    csr = request(distinguished("x"), (x509.SubjectAlternativeName([name]), False), key="rsa-3072")
    assert refused(authorities, csr, profile).refusal is refusal


def test_a_network_is_no_address() -> None:
    with pytest.raises(RequestRefused) as caught:
        check_names([x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))], SERVER)
    assert caught.value.refusal is RequestRefusal.BAD_NAME


def test_a_huge_list_of_names(authorities: Family) -> None:
    many = host(*(f"h{i}.example.org" for i in range(101)))
    assert refused(authorities, request(distinguished("x"), many)).refusal is RequestRefusal.TOO_MANY_NAMES
    thousands = host(*(f"h{i}.example.org" for i in range(10_000)))
    pem = request_pem(request(distinguished("x"), thousands))
    assert refused(authorities, pem).refusal is RequestRefusal.TOO_LARGE
    hundred = authorities.root.issue(request(distinguished("x"), host(*(f"h{i}.example.org" for i in range(100)))))
    names = hundred.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert len(list(names)) == 100


@pytest.mark.parametrize(
    ("subject", "refusal"),
    [
        (distinguished("www.example.com"), RequestRefusal.COMMON_NAME),
        (distinguished("*.example.com"), RequestRefusal.COMMON_NAME),
        (distinguished("192.0.2.1"), RequestRefusal.COMMON_NAME),
        (distinguished("2001:db8::1"), RequestRefusal.COMMON_NAME),
        (distinguished("a\nb"), RequestRefusal.BAD_SUBJECT),
        (distinguished("a\0b"), RequestRefusal.BAD_SUBJECT),
        (distinguished("\u202eevil"), RequestRefusal.BAD_SUBJECT),
        (distinguished(" "), RequestRefusal.BAD_SUBJECT),
        (too_long_a_name(), RequestRefusal.BAD_SUBJECT),
        (x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "12")]), RequestRefusal.BAD_SUBJECT),
        (x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "u")] * 33), RequestRefusal.BAD_SUBJECT),
        (x509.Name([]), RequestRefusal.NO_NAME),
    ],
)
def test_subjects_that_are_refused(authorities: Family, subject: x509.Name, refusal: RequestRefusal) -> None:
    plain = (x509.BasicConstraints(False, None), True)
    csr = request(subject, plain if refusal is RequestRefusal.NO_NAME else host("a.example.org"))
    error = refused(authorities, csr, "both")
    assert error.refusal is refusal
    assert str(error).isprintable()


def test_a_server_without_alternative_names_is_told_how_to_get_one(authorities: Family) -> None:
    error = refused(authorities, request(distinguished("a.example.org"), (x509.BasicConstraints(False, None), True)))
    assert error.refusal in (RequestRefusal.NO_NAME, RequestRefusal.COMMON_NAME)
    assert "dns:a.example.org" in error.remedy or "sans" in error.remedy


def test_words_for_names() -> None:
    assert general_name("dns:a.example") == x509.DNSName("a.example")
    assert general_name("IP:::1") == x509.IPAddress(ipaddress.ip_address("::1"))
    assert general_name("::1") == x509.IPAddress(ipaddress.ip_address("::1"))
    assert general_name("a@b.example") == x509.RFC822Name("a@b.example")
    assert general_name("https://b.example/") == x509.UniformResourceIdentifier("https://b.example/")
    assert general_name("localhost") == x509.DNSName("localhost")
    for text in ("ip:localhost", "dns:münchen.example", "ip:1.2.3", "email:ü@b.example"):
        with pytest.raises(RequestRefused) as caught:
            general_name(text)
        assert caught.value.refusal is RequestRefusal.BAD_NAME


# -- policies -----------------------------------------------------------------------------------------------------


def test_a_policy_cannot_be_made_to_copy_unseen() -> None:
    with pytest.raises(ValueError, match="cannot be given"):
        CopyPolicy({x509.NameConstraints.oid: Treatment.COPY})
    with pytest.raises(ValueError, match="cannot be given"):
        CopyPolicy({x509.BasicConstraints.oid: Treatment.COPY})
    with pytest.raises(ValueError, match="only be dropped or refused"):
        CopyPolicy({}, unknown=Treatment.COPY)
    strict = CopyPolicy(DEFAULT_COPY_POLICY.treatments, unknown=Treatment.REFUSE)
    csr = request(distinguished("x"), host("a.example"), (CRITICAL_UNKNOWN, False))
    with pytest.raises(RequestRefused) as caught:
        examine(csr, SERVER, strict)
    assert caught.value.refusal is RequestRefusal.FORBIDDEN_EXTENSION


# -- whatever else ------------------------------------------------------------------------------------------------


@functools.cache
def rich_body() -> bytes:
    """A request with something in each place that is looked at."""
    return request(
        distinguished("a.example.org", O="Example", C="DE"),
        (x509.SubjectAlternativeName([
            x509.DNSName("a.example.org"), x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
            x509.RFC822Name("a@example.org"), x509.UniformResourceIdentifier("spiffe://example.org/a"),
        ]), False),
        (x509.BasicConstraints(False, None), True),
        (x509.KeyUsage(**{**BITS, "digital_signature": True}), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        key=kept_key(),
    ).tbs_certrequest_bytes  # fmt: skip


def judged(whole: bytes) -> None:
    """Granted or refused with a type; nothing else comes out."""
    for profile in (PROFILES["both"], PROFILES["intermediate"]):
        for policy in (DEFAULT_COPY_POLICY, NO_COPY_POLICY):
            told = ""
            try:
                examine(parse_request(whole), profile, policy)
            except RequestRefused as error:
                told = str(error)
            assert told.isprintable()


@settings(max_examples=400, deadline=None)
@given(changes=edits(*ALL_KINDS), sign=st.booleans())
@example(changes=[Edit("flip", 0.3, 1, b"")], sign=True)
# The last byte is a TLS feature: one that `cryptography` does not know is a KeyError of its own.
@example(changes=[Edit("flip", 1.0, 1, b"")], sign=True)
def test_a_damaged_request_is_granted_or_refused(changes: list[Edit], sign: bool) -> None:
    """Signed after the damage too: the signature keeps nobody from asking for nonsense."""
    if sign:
        judged(resigned(edited(rich_body(), changes), kept_key()))
    else:
        judged(edited(resigned(rich_body(), kept_key()), changes))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.sampled_from(sorted(PROFILES)))
def test_any_text_as_a_name_is_granted_or_refused(text: str, profile: str) -> None:
    told = ""
    try:
        name = general_name(text)
        check_names([name], PROFILES[profile])
        check_subject(distinguished(text[:16] or "x"), [name], PROFILES[profile])
    except RequestRefused as error:
        told = str(error)
    assert told.isprintable()


def test_a_tls_feature_that_nobody_knows(authorities: Family) -> None:
    feature = x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes.fromhex("3003020107"))
    csr = request(distinguished("x"), host("a.example"), (feature, False))
    assert refused(authorities, csr).refusal is RequestRefusal.EXTENSION_MALFORMED
