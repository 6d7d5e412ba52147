"""An authority's folder: what lies where in it, how it comes into being at once, and how it is read.

    NAME/               0700
      authority.pem     0644  its certificate
      issuers.pem       0644  those above it, the next one first, the root last; only for an intermediate
      authority.key     0600  PKCS #8, encrypted when there is a password
      ledger.sqlite     0600  and SQLite's -wal and -shm beside it while it is open

A new authority is put together in a folder beside, which is then renamed: a process that dies on the way leaves
nothing under the name, and the next one that makes an authority of this name sweeps what it left.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlsocket import clock
from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki import files
from tlsocket.pki.authority.refusals import AuthorityExists, AuthorityMissing
from tlsocket.pki.certificates import load_certificates
from tlsocket.pki.errors import FileUnavailable
from tlsocket.pki.keys import Password, PrivateKey, load_private_key
from tlsocket.pki.stores import locations

__all__ = ["AuthorityFolder", "authority_names", "new_folder"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNFINISHED = ".new"
_LOCK_SECONDS = 30.0
_LOCK_PAUSE = 0.02


class AuthorityFolder:
    """The files of one authority."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.certificate_path = path / "authority.pem"
        self.issuers_path = path / "issuers.pem"
        self.key_path = path / "authority.key"
        self.ledger_path = path / "ledger.sqlite"

    @classmethod
    def find(cls, base: str | os.PathLike[str], name: str) -> AuthorityFolder:
        """The folder of an authority that is there, and private."""
        path = _path(base, name)
        if not _exists(path / "authority.pem"):
            names = authority_names(base)
            there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}" if names else "there is none"
            raise AuthorityMissing(f"no authority {name!r} in {os.fspath(base)}", f"{there}; create it first")
        return cls(files.private_folder(path))

    def read_certificates(self) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
        """The authority's certificate, and those above it."""
        certificate = load_certificates(os.fspath(self.certificate_path))[0]
        issuers = load_certificates(os.fspath(self.issuers_path)) if _exists(self.issuers_path) else ()
        return certificate, issuers

    def read_key(self, password: Password) -> PrivateKey:
        """The authority's key; refused when others can read it."""
        files.check_private(self.key_path)
        return load_private_key(os.fspath(self.key_path), password)

    def write_certificate(self, certificate: x509.Certificate) -> None:
        """In place of the one that is there."""
        files.write_atomically(self.certificate_path, certificate.public_bytes(Encoding.PEM), mode=0o644)

    def write_issuers(self, issuers: tuple[x509.Certificate, ...]) -> None:
        """Nothing is written for a root."""
        if issuers:
            pem = b"".join(issuer.public_bytes(Encoding.PEM) for issuer in issuers)
            files.write_atomically(self.issuers_path, pem, mode=0o644)

    def write_key(self, pem: bytes) -> None:
        """Readable by its owner only."""
        files.write_atomically(self.key_path, pem, mode=0o600)


def authority_names(base: str | os.PathLike[str]) -> list[str]:
    """The authorities in a folder, sorted; none when there is no such folder."""
    try:
        entries = sorted(os.listdir(base))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise files.unavailable(os.fspath(base), error, "folder of authorities") from None
    return [
        name for name in entries if _NAME.fullmatch(name) and os.path.exists(os.path.join(base, name, "authority.pem"))
    ]


@contextmanager
def new_folder(base: str | os.PathLike[str], name: str) -> Iterator[AuthorityFolder]:
    """A folder to put a new authority in; when the block ends well, and only then, it bears its name."""
    target = _path(base, name)
    if str(target.parent.parent) == locations.MACHINE_FOLDER:
        # The machine's stores are in there too, for services to read; this may be the first thing that is made.
        files.private_folder(target.parent.parent, 0o755)
    # What is made here is private; a folder that is there may be looked into, but not written to, by others.
    parent = files.private_folder(target.parent, 0o755 if _exists(target.parent) else 0o700)
    with _locked(parent):
        if os.path.lexists(target):
            raise AuthorityExists(
                f"there is an authority {name!r} in {parent} already", "choose another name, or open that one"
            )
        _sweep(parent, name)
        unfinished = parent / f".{name}.{random_bytes(8).hex()}{_UNFINISHED}"
        try:
            files.system.make_folder(str(unfinished), 0o700)
            yield AuthorityFolder(unfinished)
            files.system.synchronise_folder(str(unfinished))
            os.rename(unfinished, target)
            files.system.synchronise_folder(str(parent))
        except OSError as error:
            if isinstance(error, FileUnavailable):
                raise
            remedy = "see that the disk has room and that this user may write there; no authority was made"
            raise FileUnavailable(str(target), error, remedy) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _exists(path: Path) -> bool:
    """As `Path.exists`, but a folder that may not be looked into is an error of ours."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise files.unavailable(str(path), error, "folder of an authority") from None
    return True


def _path(base: str | os.PathLike[str], name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name for an authority: use 1 to 64 of the characters A-Z a-z 0-9 . _ -,"
            " the first a letter or a digit"
        )
    return Path(base) / name


def _sweep(parent: Path, name: str) -> None:
    """Remove what makers of this name left behind; the lock is ours, so no living one is among them."""
    for path in parent.glob(f".{name}.*{_UNFINISHED}"):
        if re.fullmatch(r"\.[0-9a-f]{16}", path.name[len(name) + 1 : -len(_UNFINISHED)]):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """One maker at a time in a folder. The kernel lets go of the lock when its holder dies."""
    try:
        import fcntl
    except ImportError:
        # Windows: there os.rename refuses a target that is there, and what is left behind stays.
        yield
        return
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise files.unavailable(str(parent), error, "folder of authorities") from None
    try:
        deadline = clock.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if clock.monotonic() > deadline:
                    remedy = "another process is making an authority there and does not end: look for it"
                    raise FileUnavailable(str(parent), error, remedy) from None
                time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(descriptor)
