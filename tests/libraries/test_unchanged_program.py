"""A program of `http.server` and `requests`: as it is on `ssl`, with one line changed, and under `tlsocket run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dropin.support import Files

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
import ssl
import http.server
import threading
import requests

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem", "server.key")
with http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler) as server:
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"https://localhost:{server.server_port}/hello.txt"
    with requests.get(address, verify="authority.pem", stream=True, timeout=20) as response:
        print(response.text)
    server.shutdown()
"""
# What tells whose sockets both ends have.
PROBE = """ends = server.socket, response.raw._fp.fp.raw._sock
        print(response.text, *(type(end).__module__ for end in ends))"""
CHANGED = PROGRAM.replace("import ssl\n", "import tlsocket as ssl; ssl.install()\n", 1)


def test_the_readme_shows_this_program() -> None:
    assert CHANGED in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("way", ["as it is", "one line", "run"])
def test_the_program_runs(way: str, files: Files, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello")
    for name, source in (
        ("server.pem", files.certificate),
        ("server.key", files.key),
        ("authority.pem", files.authority),
    ):
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    (tmp_path / "program.py").write_text(
        (CHANGED if way == "one line" else PROGRAM).replace("print(response.text)", PROBE)
    )
    words = ["-m", "tlsocket", "run", "program.py"] if way == "run" else ["program.py"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    module = "ssl" if way == "as it is" else "tlsocket.dropin.sslsocket"
    assert done.stdout == f"hello {module} {module}\n"
