"""Keys and certificates of an interoperability run, made once per session and written where peers can read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.interop.cells import KEYS
from tlsocket.pki.authority import Authority

__all__ = ["CLIENT", "NAME", "OTHER_NAME", "Files", "Materials", "make_materials"]

NAME = "localhost"
OTHER_NAME = "other.example"
CLIENT = "client.example"


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of a chain and of its private key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Materials:
    """What the two sides know: one authority that is trusted, one that is not, and certificates of both."""

    folder: Path
    authority: str
    """Path of the trusted root, PEM."""
    foreign_authority: str
    servers: dict[str, Files]
    """By kind of key; each for `NAME` and loopback."""
    clients: dict[str, Files]
    """By kind of key; each for `CLIENT`."""
    other_server: Files
    """For `OTHER_NAME`, from the trusted authority."""
    foreign_server: Files
    """For `NAME`, from the other authority."""
    foreign_client: Files
    """For `CLIENT`, from the other authority."""


def make_materials(folder: Path) -> Materials:
    """Make everything below `folder`."""
    authority = Authority.create("interop authority")
    foreign = Authority.create("foreign authority")

    def issue(issuer: Authority, name: str, stem: str, key: str, purpose: str) -> Files:
        names = [name] if purpose == "client" else [name, "127.0.0.1"]
        return Files(*issuer.issue(names, key=key, purpose=purpose).write(folder, stem))

    return Materials(
        folder=folder,
        authority=authority.write(folder / "authority.pem"),
        foreign_authority=foreign.write(folder / "foreign-authority.pem"),
        servers={key: issue(authority, NAME, f"server-{key}", key, "server") for key in KEYS},
        clients={key: issue(authority, CLIENT, f"client-{key}", key, "client") for key in KEYS},
        other_server=issue(authority, OTHER_NAME, "other-server", KEYS[0], "server"),
        foreign_server=issue(foreign, NAME, "foreign-server", KEYS[0], "server"),
        foreign_client=issue(foreign, CLIENT, "foreign-client", KEYS[0], "client"),
    )
