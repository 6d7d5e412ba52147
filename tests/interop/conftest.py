"""Fixtures of the interoperability tests: our side, and the certificates of a session."""

from __future__ import annotations

import importlib
import os

import pytest

from tests.interop.face import Face
from tests.interop.materials import Materials, make_materials


@pytest.fixture(scope="session")
def face() -> Face:
    """The module under test: ours, or what TLSOCKET_INTEROP_FACE names in its place (`ssl`)."""
    return Face(importlib.import_module(os.environ.get("TLSOCKET_INTEROP_FACE", "tlsocket")))


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Materials:
    """Keys and certificates."""
    return make_materials(tmp_path_factory.mktemp("interop"))
