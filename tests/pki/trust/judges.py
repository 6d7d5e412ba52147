"""Verdicts on one chain by others: `openssl verify`, and the verifier of `cryptography`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate

from tlsocket.pki.certificates import Purpose

__all__ = ["Verdict", "openssl_verdict", "pem"]


class Verdict(NamedTuple):
    """OpenSSL's number (0: accepted) and the depth it gives."""

    code: int
    depth: int
    text: str


def pem(*certificates: bytes | Certificate) -> bytes:
    """In PEM, one after the other."""
    objects = [load_der_x509_certificate(c) if isinstance(c, bytes) else c for c in certificates]
    return b"".join(c.public_bytes(Encoding.PEM) for c in objects)


def openssl_verdict(
    openssl: str,
    folder: Path,
    leaf: bytes,
    untrusted: bytes,
    trusted: bytes,
    *,
    strict: bool = False,
    purpose: Purpose = Purpose.SERVER,
    name: str | None = None,
    is_address: bool = False,
    at: float | None = None,
    depth: int | None = None,
    crls: bytes = b"",
    options: Sequence[str] = (),
) -> Verdict:
    """What `openssl verify` says at security level 2, as `ssl` runs it; certificates and lists in PEM."""
    files = {"leaf": leaf, "untrusted": untrusted, "trusted": trusted, "crls": crls}
    for stem, content in files.items():
        (folder / f"{stem}.pem").write_bytes(content)
    command = [openssl, "verify", "-CAfile", "trusted.pem", "-no-CApath", "-no-CAstore", "-auth_level", "2"]
    command += ["-purpose", "sslserver" if purpose is Purpose.SERVER else "sslclient", *options]
    if untrusted:
        command += ["-untrusted", "untrusted.pem"]
    if name is not None:
        command += ["-verify_ip" if is_address else "-verify_hostname", name]
    if at is not None:
        command += ["-attime", str(int(at // 1))]
    if depth is not None:
        command += ["-verify_depth", str(depth)]
    if crls:
        command += ["-CRLfile", "crls.pem", "-crl_check"]
    if strict:
        command += ["-x509_strict", "-partial_chain"]
    done = subprocess.run([*command, "leaf.pem"], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    text = done.stdout + done.stderr
    found = re.search(r"error (\d+) at (\d+) depth", text)
    if found is None:
        return Verdict(0 if done.returncode == 0 else -1, 0, text)
    return Verdict(int(found[1]), int(found[2]), text)
