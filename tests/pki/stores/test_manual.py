"""The examples of the manual's page on stores, run in its order as one program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.authority import leaf_extensions
from tests.support.stores import family
from tlsocket.pki.keys import PrivateKey, private_key_pem
from tlsocket.pki.stores import FindType

PAGE = Path(__file__).resolve().parents[3] / "src" / "tlsocket" / "manual" / "stores.md"


def authority(key: PrivateKey) -> x509.Certificate:
    """Issue a certificate for that key, as somebody else would."""
    from cryptography.hazmat.primitives import hashes

    signer = family().intermediate
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "asked.example")]))
        .issuer_name(signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(4)
        .not_valid_before(signer.certificate.not_valid_before_utc)
        .not_valid_after(signer.certificate.not_valid_after_utc)
    )
    for extension, critical in leaf_extensions("asked.example"):
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer.key, hashes.SHA256())


def test_the_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("server.pem").write_bytes(family().server.pem)
    Path("server.key").write_bytes(private_key_pem(family().server.key))
    Path("root.pem").write_bytes(family().root.pem)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    names: dict[str, Any] = {"certificate_from_the_authority": authority}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 ")
    assert lines[1:] == [
        "True",
        f"my server {family().server.certificate.not_valid_after_utc}",
        "secp256r1",
        "0 1",
        "True",
        "1",
        "True False",
        "[True]",
    ]


def test_the_page_names_every_find_type() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{kind.name}`" in text for kind in FindType)
