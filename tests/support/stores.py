"""Certificates for the stores' tests, and places that are nobody's but the test's."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.authority import Made, authority_extensions, leaf_extensions, make
from tlsocket.pki.stores import composition, locations, platform

__all__ = ["Family", "family", "isolate"]


@dataclass(frozen=True)
class Family:
    """A root, an intermediate, and two servers below it."""

    root: Made
    intermediate: Made
    server: Made
    other: Made


@functools.cache
def family() -> Family:
    """One family for all tests of a run."""
    root = make("Test Root", None, authority_extensions(), serial=1)
    intermediate = make("Test Intermediate", root, authority_extensions(path_length=0), serial=2)
    server = make("server.example", intermediate, leaf_extensions("server.example", "*.wild.example"), serial=0xABC123)
    return Family(root, intermediate, server, make("other.example", intermediate, leaf_extensions("other.example")))


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path, roots: tuple[x509.Certificate, ...] = ()) -> None:
    """Put the user's stores, the machine's and the system's bundle into `folder`."""
    bundle = folder / "bundle.pem"
    bundle.write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in roots))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "user"))
    monkeypatch.setattr(locations, "MACHINE_FOLDER", str(folder / "machine"))
    monkeypatch.setattr(platform, "BLOCKED_FOLDERS", (str(folder / "blocked"),))
    monkeypatch.setattr(locations, "BLOCKED_FOLDERS", (str(folder / "blocked"),))
    monkeypatch.setattr(composition, "_shared", {})
    monkeypatch.setattr(platform, "_layers", {})
