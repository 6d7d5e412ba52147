"""OpenSSL reads the names that we write and we read the names that it writes, some thousands of them."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.names import ALPHABET, certificate_with_subject, ordinary_name
from tlsocket.pki.keys import generate_private_key, private_key_pem
from tlsocket.pki.names import Dialect, DistinguishedName

parse = DistinguishedName.parse

PRINTED_BATCH = 400
TYPED_BATCH = 60

# What `-subj` can be told: it knows no escape but the backslash before a character, so that what we write as bytes,
# since it cannot be seen, is beyond it.
VISIBLE = "".join(filter(str.isprintable, ALPHABET))

# OpenSSL's words for what RFC 4519 calls otherwise.
THEIR_WORDS = {"givenName": "GN", "STREET": "street"}


def as_openssl(name: DistinguishedName) -> str:
    """RFC 4514 with OpenSSL's words; a name of one attribute per relative name (it turns those around too)."""
    return re.sub(r"(^|(?<!\\),)(givenName|STREET)=", lambda m: f"{m[1]}{THEIR_WORDS[m[2]]}=", name.format())


def has_lone_sharp(name: DistinguishedName) -> bool:
    """OpenSSL 3.0 forgets to escape a `#` that is the whole value, which RFC 4514 section 2.4 wants."""
    return any(a.value == "#" for rdn in name.rdns for a in rdn)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_bytes(private_key_pem(generate_private_key("ecdsa-p256")))
    return path


def printed_by_openssl(openssl: str, folder: Path, listed: list[DistinguishedName], options: str) -> list[str]:
    """What it prints for each name. Only `verify` takes many certificates at once, and names those that it refuses."""
    paths = []
    for number, name in enumerate(listed):
        path = folder / f"{number}.der"
        path.write_bytes(certificate_with_subject(name))
        paths.append(path.name)
    command = [openssl, "verify", "-nameopt", options, *paths]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100, check=False)
    lines = done.stderr.decode().split("\n")
    found = [lines[i - 1] for i, line in enumerate(lines) if line.startswith("error 20 at 0 depth")]
    assert len(found) == len(listed)
    return found


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 15))])
def test_reads_what_openssl_prints(peer: Callable[[str], str], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    listed = [name for name in (ordinary_name(chance) for _ in range(PRINTED_BATCH)) if not has_lone_sharp(name)]
    for text, name in zip(printed_by_openssl(peer("openssl"), tmp_path, listed, "RFC2253"), listed, strict=True):
        assert parse(text, enforce_limits=False) == name, text
    for text, name in zip(printed_by_openssl(peer("openssl"), tmp_path, listed, "oneline"), listed, strict=True):
        assert parse(text, enforce_limits=False, reversed_order=False) == name, text


def test_prints_as_openssl_does(peer: Callable[[str], str], tmp_path: Path) -> None:
    chance = random.Random(4514)
    ascii_with_controls = "".join(map(chr, range(1, 0x80)))
    listed = [ordinary_name(chance, alphabet=ascii_with_controls + ',+"\\<>;#  ' * 3) for _ in range(PRINTED_BATCH)]
    listed = [DistinguishedName([rdn[:1] for rdn in name.rdns]) for name in listed if not has_lone_sharp(name)]
    listed += [parse(text) for text in ("CN=Ärzte,O=東京", "1.2.3.999=x,1.2.3.4=#13024142", r"CN=\ ,OU=\ \ ,O=\#a")]
    for text, name in zip(
        printed_by_openssl(peer("openssl"), tmp_path, listed, "RFC2253,-esc_msb"), listed, strict=True
    ):
        assert as_openssl(name) == text


def test_reads_what_openssl_prints_of_strange_values(peer: Callable[[str], str], tmp_path: Path) -> None:
    listed = [
        DistinguishedName.from_der(bytes.fromhex(f"30{n:02x}31{n - 2:02x}30{n - 4:02x}0603550403") + value)
        for value in (
            bytes.fromhex("1e0400410042"),
            bytes.fromhex("1c0400000041"),
            bytes.fromhex("1403e94142"),
            bytes.fromhex("1302413f"),
            bytes.fromhex("0303010a02"),
        )
        for n in [len(value) + 9]
    ]
    for text, name in zip(printed_by_openssl(peer("openssl"), tmp_path, listed, "RFC2253"), listed, strict=True):
        assert parse(text) == name, text


# `cryptography` counts bytes where RFC 5280 counts characters.
@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 43))])
def test_openssl_encodes_what_we_write_as_we_do(peer: Callable[[str], str], key_file: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(TYPED_BATCH):
        name = ordinary_name(chance, alphabet=VISIBLE)
        command = [peer("openssl"), "req", "-new", "-key", str(key_file), "-utf8", "-subject", "-nameopt", "compat"]
        done = subprocess.run(
            [*command, "-subj", name.format(Dialect.OPENSSL)], capture_output=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        subject = x509.load_pem_x509_csr(done.stdout).subject
        assert subject.public_bytes() == name.to_der()
        printed = done.stdout.decode().split("\n", 1)[0].removeprefix("subject=")
        if not any("\\" in str(a.value) for rdn in name.rdns for a in rdn):
            # It prints a backslash as it is, so that no one can tell.
            assert parse(printed, Dialect.OPENSSL) == name


def test_we_read_what_people_type_as_openssl_does(peer: Callable[[str], str], key_file: Path) -> None:
    for text in (
        "/C=DE/O=Example, Inc./CN=www.example.org",
        "/CN= a  b ",
        r"/CN=a\/b\+c\\d\e+OU=x/O=y+L=z",
        "/DC=org/DC=example/UID=me/emailAddress=me@example.org",
        '/CN=#ab/O="q"/OU=<;>',
        "/SN=s/GN=g/title=t/initials=i/serialNumber=1/street=s/postalCode=p/ST=s/L=l",
        "/countryName=DE/commonName=Ärzte",
    ):
        command = [peer("openssl"), "req", "-new", "-key", str(key_file), "-utf8", "-subj", text]
        done = subprocess.run(command, capture_output=True, timeout=30, check=True)
        assert x509.load_pem_x509_csr(done.stdout).subject.public_bytes() == parse(text, Dialect.OPENSSL).to_der()
