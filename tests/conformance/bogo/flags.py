"""The command line that BoGo's runner gives to a shim, parsed.

A flag is here when `shim` does something about it, or when ignoring it is right for us and the comment says why. Every
other one makes the test unimplemented (exit status 89); `scope.toml` says why for each such flag, and a run in which
that happens nevertheless counts it as a failure. `-on-initial-X`, `-on-resume-X` and `-on-retry-X` set X for one
connection of a test only.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

__all__ = ["UNIMPLEMENTED", "CredentialFiles", "Settings", "UnknownFlag", "parse"]

UNIMPLEMENTED = 89
"""What a shim exits with when it cannot do what a flag asks for."""


class UnknownFlag(Exception):
    """A flag that this shim does not know; the argument is the flag."""


@dataclass
class CredentialFiles:
    """A certificate chain and its key, as the runner wrote them; or a pre-shared key to import (RFC 9258)."""

    cert_file: str = ""
    key_file: str = ""
    signing_prefs: list[int] = field(default_factory=list)
    psk_importer_key: bytes = b""
    psk_importer_identity: bytes = b""
    psk_importer_context: bytes = b""
    psk_importer_sha256: bool = False
    psk_importer_sha384: bool = False


@dataclass
class Settings:
    """What one connection of a test is to be like. Names are those of the flags; 0, "" and () mean not given."""

    # Where the runner is
    port: int = 0
    ipv6: bool = False
    shim_id: int = 0
    resume_count: int = 0
    resumption_delay: int = 0
    # Roles and ways of calling
    server: bool = False
    use_async: bool = False
    implicit_handshake: bool = False
    no_op_extra_handshake: bool = False
    handshake_twice: bool = False
    # Versions, suites, groups, signatures
    min_version: int = 0
    max_version: int = 0
    no_tls1: bool = False
    no_tls11: bool = False
    no_tls12: bool = False
    no_tls13: bool = False
    fallback_scsv: bool = False
    no_legacy_server_connect: bool = False
    cipher: str = ""
    server_preference: bool = False
    curves: list[int] = field(default_factory=list)
    key_shares: list[int] | None = None
    verify_prefs: list[int] = field(default_factory=list)
    # Credentials and verification
    trust_cert: str = ""
    credentials: list[CredentialFiles] = field(default_factory=list)
    legacy: CredentialFiles = field(default_factory=CredentialFiles)
    require_any_client_certificate: bool = False
    verify_peer: bool = False
    verify_fail: bool = False
    use_custom_verify_callback: bool = False
    use_early_callback: bool = False
    use_old_client_cert_callback: bool = False
    fail_early_callback: bool = False
    fail_cert_callback: bool = False
    install_ddos_callback: bool = False
    fail_ddos_callback: bool = False
    use_client_ca_list: str = ""
    # Extensions
    host_name: str = ""
    advertise_alpn: bytes = b""
    select_alpn: bytes = b""
    decline_alpn: bool = False
    reject_alpn: bool = False
    # What is done on the connection
    shim_writes_first: bool = False
    shim_initial_write: bytes = b"hello"
    repeat_shim_initial_write: int = 1
    shim_shuts_down: bool = False
    check_close_notify: bool = False
    read_size: int = 0
    write_different_record_sizes: bool = False
    read_with_unfinished_write: bool = False
    key_update: bool = False
    key_update_before_read: bool = False
    send_alert: bool = False
    max_cert_list: int = 0
    export_keying_material: int = 0
    export_label: bytes = b""
    export_context: bytes = b""
    use_export_context: bool = False
    export_traffic_secrets: bool = False
    tls_unique: bool = False
    # What is expected of the library
    expect_version: int = 0
    expect_server_name: str = ""
    expect_no_server_name: bool = False
    expect_alpn: bytes = b""
    expect_advertised_alpn: bytes = b""
    expect_peer_signature_algorithm: int = 0
    expect_peer_verify_pref: list[int] = field(default_factory=list)
    expect_curve_id: int = 0
    expect_cipher: int = 0
    expect_cipher_aes: int = 0
    expect_extended_master_secret: bool = False
    expect_secure_renegotiation: bool = False
    expect_no_secure_renegotiation: bool = False
    expect_hrr: bool = False
    expect_no_hrr: bool = False
    expect_client_ca_list: str = ""
    expect_peer_cert_file: str = ""
    expect_no_peer_cert: bool = False
    expect_selected_credential: int | None = None
    expect_no_session: bool = False
    expect_session_miss: bool = False
    expect_ticket_renewal: bool = False
    expect_session_id: bool = False
    expect_no_session_id: bool = False
    # Sessions and keys
    no_ticket: bool = False
    psk: str = ""
    psk_identity: str = ""


_RENAMED = {"async": "use_async"}
_IGNORED = {
    # The runner asks for one suite with AES instructions and for another without; there are some here.
    "expect-cipher-no-aes": 1,
    # That the peer was verified: a connection of ours that is complete says so by being it.
    "expect-verify-result": 0,
}
"""Flag to the number of its arguments."""

_NEW_CREDENTIAL = ("new-x509-credential", "new-psk-credential")
"""Flags that begin a credential; those that describe it follow."""

_PREFIXES = ("on-initial-", "on-resume-", "on-retry-")
_KINDS = {f.name: str(f.type) for f in fields(Settings)}
_OF_CREDENTIALS = {f.name: str(f.type) for f in fields(CredentialFiles)}


def parse(arguments: Sequence[str]) -> tuple[Settings, Settings]:
    """The settings of a test's first connection and of those that follow. Raises UnknownFlag."""
    initial, resume = Settings(), Settings()
    position = 0
    while position < len(arguments):
        flag = arguments[position]
        name = flag.removeprefix("-")
        prefix = next((known for known in _PREFIXES if name.startswith(known)), "")
        name = name.removeprefix(prefix)
        targets = {"": (initial, resume), "on-initial-": (initial,), "on-resume-": (resume,), "on-retry-": ()}[prefix]
        takes = _arity(name)
        if takes is None or position + takes >= len(arguments):
            raise UnknownFlag(flag)
        value = arguments[position + 1] if takes else ""
        for settings in targets:
            _set(settings, name, value)
        position += 1 + takes
    return initial, resume


def _kind(name: str) -> str | None:
    attribute = _RENAMED.get(name, name.replace("-", "_"))
    if attribute in _OF_CREDENTIALS:
        return _OF_CREDENTIALS[attribute]
    return None if "CredentialFiles" in _KINDS.get(attribute, "CredentialFiles") else _KINDS[attribute]


def _arity(name: str) -> int | None:
    if name in _IGNORED:
        return _IGNORED[name]
    if name == "no-key-shares" or name in _NEW_CREDENTIAL:
        return 0
    kind = _kind(name)
    return None if kind is None else int(kind != "bool")


def _set(settings: Settings, name: str, value: str) -> None:
    attribute = _RENAMED.get(name, name.replace("-", "_"))
    target: Settings | CredentialFiles = settings
    if name in _IGNORED:
        return
    if name == "no-key-shares":
        settings.key_shares = []
        return
    if name in _NEW_CREDENTIAL:
        settings.credentials.append(CredentialFiles())
        return
    if attribute in _OF_CREDENTIALS:
        target = settings.credentials[-1] if settings.credentials else settings.legacy
    kind = _kind(name) or ""
    if kind == "bool":
        setattr(target, attribute, True)
    elif kind.startswith("int"):
        setattr(target, attribute, int(value))
    elif name.startswith("psk-importer-"):
        setattr(target, attribute, base64.b64decode(value, validate=True))
    elif kind == "bytes":
        setattr(target, attribute, value.encode("utf-8", "surrogateescape"))
    elif kind == "str":
        setattr(target, attribute, value)
    else:
        setattr(target, attribute, [*(getattr(target, attribute) or ()), int(value)])
