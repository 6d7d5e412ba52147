"""Many threads on one context and on one connection: no half configuration, no deadlock, no warning.

Each case runs in a child of its own under Python's development mode with warnings as errors, watched by `faulthandler`:
a child that stands still prints every thread's stack and ends. What a single direction's lock may do is in
`tests/record/test_laws_threads.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tlsocket.pki.authority import Authority

HERE = Path(__file__).resolve().parents[2]

PRELUDE = '''
import faulthandler, os, socket, ssl, sys, threading, time
faulthandler.dump_traceback_later(80, exit=True)
import tlsocket

folder, peer = sys.argv[1], {"ours": tlsocket, "ssl": ssl}[sys.argv[2]]
errors = []

def contexts(client_module, server_module):
    server = server_module.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(f"{folder}/one.pem", f"{folder}/one.key")
    client = client_module.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(f"{folder}/first.pem")
    client.load_verify_locations(f"{folder}/second.pem")
    return client, server

def guarded(function, *arguments):
    def run():
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return thread

def finish(*threads):
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
'''

RELOADS = """
THREADS, ROUNDS = 8, int(sys.argv[3])
# A client of `ssl` gets no reloaded trust: its own context is not made for that.
client, server = contexts(peer, tlsocket)
stop = threading.Event()
serials = set()

def connections():
    for number in range(ROUNDS):
        near, far = socket.socketpair()
        near.settimeout(20); far.settimeout(20)
        with client.wrap_socket(near, server_hostname="localhost", do_handshake_on_connect=False) as c, \\
                server.wrap_socket(far, server_side=True, do_handshake_on_connect=False) as s:
            for end in (c, s):
                end.settimeout(0)
            done = set()
            while len(done) < 2:
                for end in (c, s):
                    try:
                        end.do_handshake()
                        done.add(end)
                    except ssl.SSLWantReadError:
                        pass
            for end in (c, s):
                end.settimeout(20)
            c.sendall(b"question")
            assert s.recv(100) == b"question"
            s.sendall(b"answer")
            assert c.recv(100) == b"answer"
            serials.add(c.getpeercert()["serialNumber"])

def reload():
    count = 0
    while not stop.is_set():
        name = ("one", "two")[count % 2]
        server.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
        if peer is tlsocket:
            client.load_verify_locations(f"{folder}/{('first', 'second')[count % 2]}.pem")
        count += 1
        time.sleep(0.002)
    assert count > 5, count

threads = [guarded(connections) for _ in range(THREADS)]
reloader = guarded(reload)
for thread in threads:
    thread.join()
stop.set()
finish(reloader)
assert len(serials) == 2, serials
assert server.session_stats()["accept_good"] == THREADS * ROUNDS
"""

DIRECTIONS = """
SIZE, ROUNDS = 1 << 15, int(sys.argv[3])
client, server = contexts(tlsocket, peer)
near, far = socket.socketpair()
accepted = []
accepting = guarded(lambda: accepted.append(server.wrap_socket(far, server_side=True)))
c = client.wrap_socket(near, server_hostname="localhost")
finish(accepting)
s = accepted[0]
data = os.urandom(SIZE)

def write(end):
    for number in range(ROUNDS):
        end.sendall(data)
        if number % 16 == 0 and type(end) is tlsocket.SSLSocket:
            end.update_keys(request_peer=True)

def read(end):
    left, buffer = SIZE * ROUNDS, bytearray(SIZE)
    while left:
        count = end.recv_into(buffer, min(left, SIZE))
        assert count, "ended early"
        left -= count

# Writers first, so that both pipes are full: with a lock over both directions nobody would ever read.
writers = [guarded(write, end) for end in (c, s)]
time.sleep(0.2)
assert all(writer.is_alive() for writer in writers), "the pipes are not full"
readers = [guarded(read, end) for end in (c, s)]
finish(*writers, *readers)
c.close(); s.close()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads")
    for name, authority in (("one", "first"), ("two", "second")):
        made = Authority.create(authority)
        made.write(path / f"{authority}.pem")
        made.issue(["localhost"]).write(path, name)
    return path


def run(code: str, folder: Path, peer: str, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + code, str(folder), peer, str(rounds)],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.parametrize("peer", ["ours", "ssl"])
def test_eight_threads_shake_hands_while_certificates_are_reloaded(peer: str, folder: Path) -> None:
    """8 threads times 200 connections: each sees the old certificate or the new one with its own key."""
    run(RELOADS, folder, peer, 200)


def test_reader_and_writer_threads_on_one_connection(folder: Path) -> None:
    """With keys updated under way, both pipes full and nobody reading at first: no lock spans both directions."""
    run(DIRECTIONS, folder, "ours", 128)
