"""Certificates and contexts for scripts: made once in a process, and kept, since contexts of one setup are alike."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

from tests.dropin.differential.scripts import Setup
from tlsocket.pki.authority import Authority, self_signed

__all__ = ["World"]

_HOUR = 3600.0
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_ASK = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class World:
    """What is the same for all scripts, in a folder that the caller removes."""

    def __init__(self, folder: Path) -> None:
        now = time.time()
        names = ["localhost", "127.0.0.1", "*.wild.test"]
        authority, other = Authority.create("the authority"), Authority.create("another authority")
        past, future = (now - 2 * _HOUR, now - _HOUR), (now + _HOUR, now + 2 * _HOUR)
        issued = {
            "good": authority.issue(names),
            "expired": authority.issue(names, not_before=past[0], not_after=past[1]),
            "early": authority.issue(names, not_before=future[0], not_after=future[1]),
            "self-signed": self_signed(names),
            "untrusted": other.issue(names),
            "purpose": authority.issue(names, purpose="client"),
            "chain": authority.create_intermediate("an intermediate").issue(names),
            "rsa": authority.issue(names, key="rsa-2048"),
            "client good": authority.issue(["a client"], purpose="client"),
            "client expired": authority.issue(["a client"], purpose="client", not_before=past[0], not_after=past[1]),
            "client untrusted": other.issue(["a client"], purpose="client"),
        }
        self._paths = {name: each.write(folder, name.replace(" ", "-")) for name, each in issued.items()}
        self._authority = authority.write(folder / "authority.pem")
        self._contexts: dict[tuple[Any, ...], Any] = {}

    def context(self, module: Any, role: str, setup: Setup) -> Any:
        """The context of one end."""
        mine = 0 if role == "client" else 1
        common = (module.__name__, role, setup.versions[mine], setup.alpn[mine], setup.ciphers[mine], setup.ignore_eof)
        if role == "client":
            key: tuple[Any, ...] = (*common, setup.verify, setup.client_certificate)
        else:
            key = (*common, setup.certificate, setup.ask, setup.sni)
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = self._make(module, role, setup, mine)
        return context

    def _make(self, module: Any, role: str, setup: Setup, mine: int) -> Any:
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT if role == "client" else module.PROTOCOL_TLS_SERVER)
        if setup.versions[mine] in _VERSIONS:
            context.minimum_version = context.maximum_version = _VERSIONS[setup.versions[mine]]
        if setup.ciphers[mine]:
            context.set_ciphers(setup.ciphers[mine])
        if setup.alpn[mine]:
            context.set_alpn_protocols(list(setup.alpn[mine]))
        if setup.ignore_eof:
            context.options |= module.OP_IGNORE_UNEXPECTED_EOF
        context.load_verify_locations(self._authority)
        if role == "client":
            context.check_hostname = setup.verify == "full"
            context.verify_mode = ssl.CERT_NONE if setup.verify == "none" else ssl.CERT_REQUIRED
            if setup.client_certificate != "none":
                context.load_cert_chain(*self._paths[f"client {setup.client_certificate}"])
        else:
            context.load_cert_chain(*self._paths[setup.certificate])
            context.verify_mode = _ASK[setup.ask]
            if setup.sni:
                context.sni_callback = _SNI[setup.sni]
        return context

    def session(self, client: Any, server: Any, setup: Setup) -> Any:
        """The session of a first connection between two contexts; None where it fails."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        near = client.wrap_bio(incoming, outgoing, server_hostname=setup.name)
        far = server.wrap_bio(outgoing, incoming, server_side=True)
        try:
            for _ in range(3):
                for end in (near, far):
                    try:
                        end.do_handshake()
                    except ssl.SSLWantReadError:
                        pass
            far.write(b"x")
            near.read(1)
        except OSError:
            return None
        return near.session


def _raises(*arguments: Any) -> None:
    raise ZeroDivisionError("the callback's own")


_SNI: dict[str, Any] = {
    "none": lambda tls, name, context: None,
    "alert": lambda tls, name, context: ssl.ALERT_DESCRIPTION_ACCESS_DENIED,
    "raises": _raises,
    "nonsense": lambda tls, name, context: "nonsense",
}
