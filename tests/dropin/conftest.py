"""Fixtures of the drop-in face's tests: certificates on disk, and contexts of ours with their peers."""

from __future__ import annotations

from typing import Any

import pytest

import tlsocket
from tests.dropin.support import MODULES, Files, client_context, server_context
from tlsocket.pki.authority import Authority


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority.create()
    certificate, key = authority.issue(["localhost", "127.0.0.1"]).write(folder)
    client = authority.issue(["a client"], purpose="client").write(folder, "client")
    return Files(folder, authority.write(folder / "authority.pem"), certificate, key, *client)


@pytest.fixture
def client(files: Files) -> Any:
    return client_context(tlsocket, files)


@pytest.fixture
def server(files: Files) -> Any:
    return server_context(tlsocket, files)


@pytest.fixture(params=["ours", "stdlib"])
def module(request: pytest.FixtureRequest) -> Any:
    """Each module in turn, for facts that hold with both."""
    return MODULES[request.param]


@pytest.fixture(params=["ours", "stdlib"])
def peer_module(request: pytest.FixtureRequest) -> Any:
    """The module on the other side."""
    return MODULES[request.param]
