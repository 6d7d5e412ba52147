"""Fixtures of the library tests: certificates, and the sides that each test runs on."""

from __future__ import annotations

import importlib.util
import os

import pytest

from tests.dropin.support import Files
from tests.libraries.ends import MODULES, SIDES, Ends
from tlsocket.pki.authority import Authority

LIBRARIES = (
    "aiofastnet", "aiohttp", "aiosmtpd", "aiosmtplib", "anyio", "cheroot", "eventlet", "gevent", "gunicorn", "httpcore",
    "httpx", "hypercorn", "pika", "pymysql", "redis", "requests", "tornado", "trio", "urllib3", "uvicorn", "uvloop",
    "websockets",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def libraries() -> None:
    """All of them: one that is missing fails in CI, and is a skip that says what to install elsewhere."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        message = f"missing: {' '.join(missing)}; python -m pip install -c constraints.txt -e '.[libraries]'"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority.create()
    certificate, key = authority.issue(["localhost", "127.0.0.1"]).write(folder)
    client = authority.issue(["a client"], purpose="client").write(folder, "client")
    return Files(folder, authority.write(folder / "authority.pem"), certificate, key, *client)


@pytest.fixture(params=SIDES, ids=lambda sides: f"{sides[0]} to {sides[1]}")
def ends(request: pytest.FixtureRequest, files: Files) -> Ends:
    client, server = request.param
    return Ends(files, MODULES[client], MODULES[server])
