"""`SSLContext.reload` and `watch`: files that changed, all of them or none, while handshakes go on."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import ssl
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

import tlsocket
from tests.dropin.support import TIMEOUT
from tlsocket.dropin.sslobject import MemoryBIO
from tlsocket.pki.authority import Authority


@dataclass
class Site:
    """A server's and a client's context whose files can be replaced by those of another generation."""

    folder: Path
    server: Any
    client: Any
    generations: list[tuple[bytes, bytes, bytes]]
    """Certificate, key and authority in PEM."""

    def write(self, number: int, *, parts: str = "certificate key authority") -> None:
        for part, content in zip(("certificate", "key", "authority"), self.generations[number], strict=True):
            if part in parts.split():
                fresh = self.folder / "fresh"
                fresh.write_bytes(content)
                fresh.replace(self.folder / f"{part}.pem")

    def shake_hands(self, name: str = "localhost") -> bytes:
        """The certificate that the client saw, verified."""
        to_server, to_client = MemoryBIO(), MemoryBIO()
        near = self.client.wrap_bio(to_client, to_server, server_hostname=name)
        far = self.server.wrap_bio(to_server, to_client, server_side=True)
        waiting = [near, far]
        for _ in range(10):
            for each in list(waiting):
                try:
                    each.do_handshake()
                    waiting.remove(each)
                except ssl.SSLWantReadError:
                    pass
        assert not waiting
        return bytes(near.getpeercert(True))


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes, bytes]]:
    folder = tmp_path_factory.mktemp("generations")
    made = []
    for number in range(2):
        authority = Authority.create(f"authority {number}")
        certificate, key = authority.issue(["localhost"]).write(folder, f"generation{number}")
        made.append((Path(certificate).read_bytes(), Path(key).read_bytes(), authority.pem))
    return made


@pytest.fixture
def site(tmp_path: Path, generations: list[tuple[bytes, bytes, bytes]]) -> Iterator[Site]:
    site = Site(tmp_path, None, None, generations)
    site.write(0)
    site.server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    site.server.load_cert_chain(tmp_path / "certificate.pem", str(tmp_path / "key.pem"))
    site.client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    site.client.load_verify_locations(tmp_path / "authority.pem")
    yield site
    for context in (site.server, site.client):
        if context is not None and context._watch is not None:
            context._watch.stop()


def test_nothing_changed_is_nothing_done(site: Site) -> None:
    before = site.server._server_config()
    assert site.server.reload() == () == site.client.reload()
    assert site.server._server_config() is before


def test_a_pair_and_an_authority_are_loaded_again(site: Site) -> None:
    first = site.shake_hands()
    site.write(1)
    assert site.shake_hands() == first  # not before it is asked for
    assert site.server.reload() == (str(site.folder / "certificate.pem"), str(site.folder / "key.pem"))
    with pytest.raises(ssl.SSLCertVerificationError):
        site.shake_hands()
    assert site.client.reload() == (str(site.folder / "authority.pem"),)
    assert site.shake_hands() != first
    assert [cert["subject"][0][0][1] for cert in site.client.get_ca_certs()] == ["authority 1"]
    assert site.server.reload() == () == site.client.reload()


def test_half_a_pair_changes_nothing(site: Site) -> None:
    first = site.shake_hands()
    site.write(1, parts="certificate")
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
            site.server.reload()
        assert site.shake_hands() == first
    site.write(1, parts="key")
    assert site.server.reload()
    site.write(1, parts="authority")
    assert site.client.reload()
    assert site.shake_hands() != first


def test_one_context_changes_as_a_whole_or_not_at_all(site: Site) -> None:
    """Trust and certificate of one context: when one of them is wrong, the other stays too."""
    site.server.load_verify_locations(site.folder / "authority.pem")
    site.write(1, parts="certificate key")
    (site.folder / "authority.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    first = site.shake_hands()
    with pytest.raises(ssl.SSLError):
        site.server.reload()
    assert site.shake_hands() == first
    site.write(1)
    assert len(site.server.reload()) == 3


def test_a_file_that_is_gone_changes_nothing(site: Site) -> None:
    (site.folder / "key.pem").unlink()
    with pytest.raises(FileNotFoundError):
        site.server.reload()
    site.shake_hands()


def test_a_folder_of_authorities_is_looked_into(site: Site) -> None:
    folder = site.folder / "authorities"
    folder.mkdir()
    shutil.copy(site.folder / "authority.pem", folder / "first.pem")
    client = site.client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(capath=os.fsencode(folder))
    site.shake_hands()
    site.write(1)
    shutil.copy(site.folder / "authority.pem", folder / "second.pem")
    site.server.reload()
    assert client.reload() == (str(folder),)
    site.shake_hands()
    assert client.cert_store_stats()["x509_ca"] == 2


def test_what_is_not_a_file_is_left_alone(site: Site) -> None:
    certificate, key, authority = site.generations[0]
    for form in (bytes, bytes.decode):
        server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(form(certificate), form(key))
        client = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(cadata=authority.decode())
        assert server.reload() == () == client.reload()
        assert not server._chain_sources
        assert Site(site.folder, server, client, []).shake_hands()


def test_data_and_files_together_survive_a_reload(site: Site) -> None:
    data = bytearray(site.generations[1][2])
    with pytest.raises(TypeError):
        site.client.load_verify_locations(cadata=3)
    site.client.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(data.decode()))
    os.utime(site.folder / "authority.pem", (1, 1))
    assert site.client.reload()
    assert site.client.cert_store_stats()["x509_ca"] == 2


def test_a_password_is_kept_for_the_next_time_and_shown_nowhere(site: Site) -> None:
    def encrypt(number: int) -> bytes:
        key: Any = load_pem_private_key(site.generations[number][1], None)
        return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))

    (site.folder / "key.pem").write_bytes(encrypt(0))
    server = site.server = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(site.folder / "certificate.pem", site.folder / "key.pem", "sesame")
    site.write(1)
    (site.folder / "key.pem").write_bytes(encrypt(1))
    assert len(server.reload()) == 2
    assert "sesame" not in repr(server._chain_sources) + repr(server) + repr(server._material)


def test_a_replaced_pair_is_forgotten(site: Site) -> None:
    certificate, key, _ = site.generations[0]
    site.server.load_cert_chain(certificate, key)  # the same name and kind of key: the files are out of use
    site.write(1)
    assert site.server.reload() == ()


# Watching


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_watching_reloads_by_itself(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tlsocket")
    first = site.shake_hands()
    with site.client.watch(interval=0.01) as near, site.server.watch(interval=0.01) as far:
        site.write(1)
        wait_for(lambda: not site.server._changed_paths() and not site.client._changed_paths())
        wait_for(lambda: any("authority.pem" in record.getMessage() for record in caplog.records))
        assert site.shake_hands() != first
    assert not near._thread.is_alive()
    assert not far._thread.is_alive()


def test_watching_keeps_the_old_pair_and_logs_one_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    first = site.shake_hands()
    site.server.watch(interval=0.01)
    site.write(1, parts="certificate")
    wait_for(lambda: caplog.records)
    time.sleep(0.2)
    assert [(record.name, record.levelname) for record in caplog.records] == [("tlsocket", "WARNING")]
    message = caplog.records[0].getMessage()
    assert message.startswith("not reloaded, what was loaded before stays: SSLError: ")
    assert "\n" not in message
    assert site.shake_hands() == first
    site.write(1, parts="key")
    wait_for(lambda: not site.server._changed_paths())
    assert len(caplog.records) == 1


def test_a_context_that_is_watched_can_go(site: Site) -> None:
    thread = site.server.watch(interval=0.01)._thread
    gone = weakref.ref(site.server)
    site.server = None
    gc.collect()
    wait_for(lambda: gone() is None and not thread.is_alive())


def test_a_later_watch_takes_the_place_of_the_earlier(site: Site) -> None:
    first = site.server.watch(interval=60)
    site.server.watch(interval=60)
    assert not first._thread.is_alive()
    with pytest.raises(ValueError, match="interval"):
        site.server.watch(interval=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_goes_on_watching(site: Site) -> None:
    site.server.watch(interval=0.01)
    before = site.server._generation
    child = os.fork()
    if child == 0:
        status = 1
        try:
            site.write(1)
            deadline = time.monotonic() + TIMEOUT
            while site.server._generation is before and time.monotonic() < deadline:
                time.sleep(0.01)
            status = int(site.server._generation is before)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def first_der(pem: bytes) -> bytes:
    end = b"-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert((pem.partition(end)[0] + end).decode())


def test_handshakes_during_reloads_see_one_generation_or_the_other(site: Site) -> None:
    """The certificate that a server sends and the authorities that it believes must be of one generation."""
    pairs = [tuple(map(first_der, (certificate, authority))) for certificate, _, authority in site.generations]
    server = site.server
    server.load_verify_locations(site.folder / "authority.pem")
    server.verify_mode = ssl.CERT_OPTIONAL
    stop = threading.Event()
    failures: list[object] = []

    def reload() -> None:
        number = 0
        while not stop.is_set():
            number ^= 1
            try:
                site.write(number)
                server.reload()
            except BaseException as error:
                failures.append(error)
                return

    def look() -> None:
        while not stop.is_set():
            config = server._server_config()
            anchors = [anchor.public_bytes(Encoding.DER) for anchor in config.verifier.anchors]
            if (config.credentials[0].certificate_chain[0], *anchors) not in pairs:
                failures.append((config.credentials, anchors))
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=target) for target in (reload, look, look)]
        for thread in threads:
            thread.start()
        stop.wait(0.7)
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT)
    finally:
        sys.setswitchinterval(interval)
    assert not failures


def test_a_reload_in_the_middle_of_a_snapshot(site: Site) -> None:
    """What was being made of the old settings is old as a whole, and is not kept for the next handshake."""

    class Interrupted(tlsocket.SSLContext):
        def _peer_verifier(self, trust: Any) -> Any:
            site.write(1)
            self.reload()
            return super()._peer_verifier(trust)

    server: Any = Interrupted(tlsocket.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(site.folder / "certificate.pem", site.folder / "key.pem")
    server.load_verify_locations(site.folder / "authority.pem")
    server.verify_mode = ssl.CERT_OPTIONAL
    for certificate, _, authority in site.generations:
        config = server._server_config()
        assert config.credentials[0].certificate_chain[0] == first_der(certificate)
        assert [anchor.public_bytes(Encoding.DER) for anchor in config.verifier.anchors] == [first_der(authority)]
