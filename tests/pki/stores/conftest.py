"""Every test of the stores has a user, a machine and a system of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stores import family, isolate
from tlsocket.pki import pkcs8
from tlsocket.pki.formats import pkcs12
from tlsocket.pki.stores import StoreLocation


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all of them; the system trusts the family's root."""
    folder = tmp_path_factory.mktemp("places")
    isolate(monkeypatch, folder, (family().root.certificate,))
    # The number of rounds is a constant of the format; thousands of keys in tests do with fewer.
    monkeypatch.setattr(pkcs12, "ITERATIONS", 1000)
    monkeypatch.setattr("tlsocket.pki.keys.private_key_pem.__kwdefaults__", {"pss_only": False, "rounds": 1000})
    assert pkcs8.DEFAULT_ROUNDS >= 600_000
    return folder


LOCATIONS = ("memory", "folder", "user", "machine", "pkcs12")


@pytest.fixture(params=LOCATIONS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLocation:
    """Each kind of place in turn."""
    return {
        "memory": StoreLocation.memory(),
        "folder": StoreLocation.folder(tmp_path / "stores"),
        "user": StoreLocation.CURRENT_USER,
        "machine": StoreLocation.LOCAL_MACHINE,
        "pkcs12": StoreLocation.pkcs12(tmp_path / "store.p12"),
    }[request.param]
