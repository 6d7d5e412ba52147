"""What the authority's tests share: requests of every sort, and the programs that judge what we made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tlsocket.pki.authority import CertificateAuthority
from tlsocket.pki.keys import PrivateKey, generate_private_key

__all__ = ["Family", "distinguished", "family", "host", "request", "request_pem", "run", "write_pem"]

PASSWORD = "correct horse"


def distinguished(common_name: str, **others: str) -> x509.Name:
    """A name with CN and, by keyword, O, OU, C and E."""
    oids = {
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "C": NameOID.COUNTRY_NAME,
        "E": NameOID.EMAIL_ADDRESS,
    }
    attributes = [x509.NameAttribute(oids[key], value) for key, value in others.items()]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def host(*names: str) -> tuple[x509.SubjectAlternativeName, bool]:
    """A subjectAltName of host names, not critical."""
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False


def request(
    subject: x509.Name | None = None,
    *extensions: tuple[x509.ExtensionType, bool],
    key: PrivateKey | str = "ecdsa-p256",
) -> x509.CertificateSigningRequest:
    """A request with exactly these extensions; without any, one for the server a.example.org."""
    private_key = generate_private_key(key) if isinstance(key, str) else key
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        subject if subject is not None else distinguished("a.example.org")
    )
    for extension, critical in extensions or (host("a.example.org"),):
        builder = builder.add_extension(extension, critical)
    eddsa = isinstance(private_key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    return builder.sign(private_key, None if eddsa else hashes.SHA256())


def request_pem(csr: x509.CertificateSigningRequest) -> bytes:
    """The request in PEM."""
    return csr.public_bytes(Encoding.PEM)


class Family:
    """A root, an intermediate below it that has a password, and the folder they are in."""

    def __init__(self, base: Path, key: str = "ecdsa-p256") -> None:
        self.base = base
        self.root = CertificateAuthority.create(base, "root", distinguished("Test Root", O="Example", C="DE"), key=key)
        self.middle = CertificateAuthority.create(
            base, "middle", distinguished("Test Issuer", O="Example"), parent=self.root, key=key, password=PASSWORD
        )

    def close(self) -> None:
        """Both ledgers."""
        self.middle.close()
        self.root.close()

    def __enter__(self) -> Family:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root_pem(self) -> Path:
        """What somebody who trusts the family loads."""
        return self.root.path / "authority.pem"

    @property
    def middle_pem(self) -> Path:
        """The intermediate's certificate."""
        return self.middle.path / "authority.pem"


def family(base: Path, key: str = "ecdsa-p256") -> Family:
    """A new one in `base`."""
    return Family(base, key)


def write_pem(path: Path, *certificates: x509.Certificate) -> Path:
    """Certificates one after the other; returns the path."""
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates))
    return path


def run(*command: str | Path, status: int = 0, cwd: Path | None = None) -> str:
    """The output of a program that must end with `status`."""
    arguments: Sequence[str] = [str(part) for part in command]
    # Coverage is not measured in there: it imports modules of its own, and writes where another user may not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment
    )
    assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
