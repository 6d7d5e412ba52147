"""redis-py against a real Redis (OpenSSL on that side), and gunicorn in processes of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import TIMEOUT, Files
from tests.libraries.ends import Ends, is_refused_certificate
from tests.libraries.http_clients import with_http_client
from tests.libraries.processes import cases, free_port, process

ROOT = Path(__file__).resolve().parents[2]
DATA = os.urandom(300_000)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def near(files: Files) -> Ends:
    return Ends(files, tlsocket, tlsocket)


def test_redis(near: Ends, files: Files, peer: Callable[[str], str], tmp_path: Path) -> None:
    import redis

    port = free_port()
    words = [peer("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
             "--tls-cert-file", files.certificate, "--tls-key-file", files.key, "--tls-ca-cert-file", files.authority,
             "--tls-auth-clients", "yes", "--dir", str(tmp_path)]  # fmt: skip

    class Connection(redis.SSLConnection):
        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            return self.context.wrap_socket(sock, server_hostname=self.host)

    def act(context: Any) -> None:
        class Ours(Connection):
            pass

        Ours.context = context
        pool = redis.ConnectionPool(
            connection_class=Ours, host="localhost", port=port, socket_timeout=TIMEOUT, retry=None
        )
        client = redis.Redis(connection_pool=pool)
        try:
            client.set("key", DATA)
            assert client.get("key") == DATA
        finally:
            client.close()
            pool.disconnect()

    with process(words, port, tmp_path / "log"):
        cases(near, act)


GUNICORN = """
import functools, tlsocket
worker_class = {worker!r}
threads = 2
loglevel = "critical"

@functools.cache
def make_context():
    context = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_SERVER)
    context.load_cert_chain({certificate!r}, {key!r})
    context.watch(interval=0.05)
    if {demand}:
        context.load_verify_locations({authority!r})
        context.verify_mode = tlsocket.CERT_REQUIRED
    return context

def ssl_context(config, default_ssl_context_factory):
    return make_context()

certfile, keyfile = {certificate!r}, {key!r}
"""


@pytest.mark.parametrize("ends", [("ours", "ours"), ("ssl", "ours")], indirect=True, ids=" to ".join)
@pytest.mark.parametrize("worker", ["sync", "gthread"])
@pytest.mark.parametrize("demand", [False, True], ids=["any client", "known clients"])
def test_gunicorn(ends: Ends, files: Files, worker: str, demand: bool, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "gunicorn.conf.py").write_text(
        GUNICORN.format(worker=worker, certificate=files.certificate, key=files.key, authority=files.authority,
                        demand=demand)
    )  # fmt: skip
    words = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "tests.libraries.http_servers:wsgi_echo",
             "-c", str(tmp_path / "gunicorn.conf.py"), "--worker-tmp-dir", str(tmp_path)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    address = f"https://localhost:{port}/"
    with process(words, port, tmp_path / "log", env=environment, cwd=tmp_path):
        assert with_http_client(address, ends.client(certificate=demand), DATA) == DATA
        with pytest.raises(OSError) as caught:
            with_http_client(address, ends.client(trusting=False), b"secret")
        assert is_refused_certificate(caught.value)
        if demand:
            with pytest.raises(OSError):
                with_http_client(address, ends.client(), b"secret")
        assert with_http_client(address, ends.client(certificate=demand), DATA) == DATA
