"""Certificates and trust that can change while connections are made: `reload`, and what it must know.

What a context's certificates and trust are at a moment is one object, `Material`, replaced as a whole; a handshake
takes it once, so it sees the old or the new and never half of each. Not here: what files may hold
(`credentials`), and the thread that looks for changes (`watching`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tlsocket.config import Credential
from tlsocket.crypto.signatures import DEFAULT_SIGNATURE_SCHEMES
from tlsocket.dropin.credentials import CertificateSource, KeySource, PasswordSource, load_credential
from tlsocket.dropin.trust import TrustSettings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

    from tlsocket.dropin.watching import Watch

__all__ = ["Material", "Reloading", "Stamp"]

Stamp: TypeAlias = tuple[object, ...] | None
"""What tells one content of a path from the next without reading it; None: there is nothing at that path."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a context proves itself with and whom it believes, at one moment."""

    credentials: tuple[Credential, ...]
    trust: TrustSettings


@dataclass(frozen=True, slots=True)
class _ChainSource:
    """One call of `load_cert_chain` that named files. The password is kept, as it is needed again."""

    arguments: tuple[Any, Any, Any]
    stamps: dict[str, Stamp]
    credential: Credential

    def __repr__(self) -> str:
        return f"<_ChainSource {list(self.stamps)}>"


@dataclass(frozen=True, slots=True)
class _TrustSource:
    """One call that added to the trust."""

    load: Callable[[TrustSettings], None]
    stamps: dict[str, Stamp]


class Reloading:
    """The part of `SSLContext` that remembers where certificates and trust came from."""

    _material: Material
    _generation: object
    """Another object after every change of a setting."""
    _chain_sources: tuple[_ChainSource, ...]
    _trust_sources: tuple[_TrustSource, ...]
    _writers: tuple[int, threading.RLock]
    """Serialises changes, not handshakes; with its process, since a fork may copy it locked."""
    _watch: Watch | None

    if TYPE_CHECKING:

        def _changed(self) -> None: ...

    def _init_material(self) -> None:
        self._material = Material((), TrustSettings())
        self._chain_sources = ()
        self._trust_sources = ()
        self._writers = (os.getpid(), threading.RLock())
        self._watch = None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._writers[0] != os.getpid():
            self._writers = (os.getpid(), threading.RLock())
        with self._writers[1]:
            yield
            self._changed()

    @property
    def _credentials(self) -> tuple[Credential, ...]:
        return self._material.credentials

    @property
    def _trust(self) -> TrustSettings:
        return self._material.trust

    # Loading

    def _load_chain(
        self,
        certfile: CertificateSource,
        keyfile: KeySource | None,
        password: PasswordSource,
        replaces: Callable[[Credential, Credential], bool],
    ) -> None:
        with self._writing():
            stamps = _stamps(_paths(certfile, keyfile))
            credential = load_credential(certfile, keyfile, password)
            kept = [other for other in self._credentials if not replaces(credential, other)]
            self._material = Material(_in_order([credential, *kept]), self._trust)
            remaining = set(map(id, kept))
            sources = [source for source in self._chain_sources if id(source.credential) in remaining]
            if stamps:
                sources.append(_ChainSource((certfile, keyfile, password), stamps, credential))
            self._chain_sources = tuple(sources)

    def _load_trust(
        self,
        cafile: StrOrBytesPath | None,
        capath: StrOrBytesPath | None,
        cadata: str | ReadableBuffer | None,
    ) -> None:
        if cadata is not None and not isinstance(cadata, (str, bytes)):
            try:
                cadata = bytes(memoryview(cadata))  # the caller may change it before it is needed again
            except TypeError:
                pass  # what it is instead is the loading's matter to say
        self._add_trust(lambda trust: trust.load(cafile, capath, cadata), _paths(cafile, capath))

    def _load_platform_trust(self) -> None:
        self._add_trust(TrustSettings.load_platform, [])

    def _add_trust(self, load: Callable[[TrustSettings], None], paths: list[str]) -> None:
        with self._writing():
            source = _TrustSource(load, _stamps(paths))
            trust = self._trust.copy()
            load(trust)
            self._material = Material(self._credentials, trust)
            self._trust_sources = (*self._trust_sources, source)

    # Reloading

    def reload(self) -> tuple[str, ...]:
        """Load again the certificates, keys and authorities whose files have changed; returns their paths.

        All of them at once: if one cannot be loaded its error is raised, and everything stays as it was. Connections
        that exist keep what they have; each later one gets the new. What was given as bytes, text or objects has no
        file to be looked at, and neither has an entry of a store. Not in `ssl`.
        """
        changed = self._changed_paths()
        if not changed:
            return ()
        with self._writing():
            chains = tuple(_load_again(source) for source in self._chain_sources)
            fresh = {id(old.credential): new.credential for old, new in zip(self._chain_sources, chains, strict=True)}
            trust, trust_sources = self._trust, self._trust_sources
            if any(_changed(source.stamps) for source in trust_sources):
                trust = TrustSettings()
                trust_sources = tuple(_TrustSource(each.load, _stamps(list(each.stamps))) for each in trust_sources)
                for source in trust_sources:
                    source.load(trust)
            credentials = [fresh.get(id(credential), credential) for credential in self._credentials]
            self._material = Material(_in_order(credentials), trust)
            self._chain_sources, self._trust_sources = chains, trust_sources
        return changed

    def watch(self, interval: float = 5) -> Watch:
        """Call `reload` every `interval` seconds from a thread of its own, until `stop` or the context's end.

        When a changed file cannot be loaded, what was loaded before stays, and one line says why in the log "tlsocket".
        A later call replaces the earlier. A child made by fork goes on watching by a thread of its own. Not in `ssl`.
        """
        from tlsocket.dropin.watching import Watch  # with `logging` and what that loads: few programs watch

        if not interval > 0:
            raise ValueError("interval must be a positive number of seconds")
        if self._watch is not None:
            self._watch.stop()
        self._watch = Watch(self, interval)
        return self._watch

    def _changed_paths(self) -> tuple[str, ...]:
        sources: list[_ChainSource | _TrustSource] = [*self._chain_sources, *self._trust_sources]
        return tuple(dict.fromkeys(path for source in sources for path in _changed(source.stamps)))

    def _present_stamps(self) -> dict[str, Stamp]:
        sources: list[_ChainSource | _TrustSource] = [*self._chain_sources, *self._trust_sources]
        return _stamps([path for source in sources for path in source.stamps])


def _in_order(credentials: list[Credential]) -> tuple[Credential, ...]:
    # Whoever offers everything gets the first. OpenSSL goes by the order of its signature algorithms too.
    return tuple(sorted(credentials, key=lambda each: DEFAULT_SIGNATURE_SCHEMES.index(each.schemes[0])))


def _load_again(source: _ChainSource) -> _ChainSource:
    if not _changed(source.stamps):
        return source
    stamps = _stamps(list(source.stamps))
    return _ChainSource(source.arguments, stamps, load_credential(*source.arguments))


def _paths(*sources: object) -> list[str]:
    """Those of `sources` that are paths, and not contents or objects; as `pki.keys` tells them apart."""
    paths = []
    for source in sources:
        if isinstance(source, os.PathLike):
            paths.append(os.fsdecode(source))
        elif isinstance(source, str) and source and "-----BEGIN " not in source:
            paths.append(source)
        elif (
            isinstance(source, bytes) and source[:1] != b"\x30" and b"-----BEGIN " not in source and b"\n" not in source
        ):
            paths.append(os.fsdecode(source))
    return [path for path in paths if path and "\0" not in path]


def _stamps(paths: list[str]) -> dict[str, Stamp]:
    # Taken before a file is read: if it changes while it is read, the next look sees that.
    return {path: _stamp(path) for path in paths}


def _changed(stamps: dict[str, Stamp]) -> list[str]:
    return [path for path, stamp in stamps.items() if _stamp(path) != stamp]


def _stamp(path: str) -> Stamp:
    try:
        with os.scandir(path) as entries:
            return tuple(sorted((entry.name, *_file_stamp(entry.path)) for entry in entries))
    except NotADirectoryError:
        pass
    except OSError:
        return None
    try:
        return _file_stamp(path)
    except OSError:
        return None


def _file_stamp(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ()  # a link that leads nowhere
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
