"""`install()` and `uninstall()`, each in a process of its own: what is bound anew, what is reported, what is undone."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.dropin.support import Files

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *arguments: str, folder: Path | None = None) -> str:
    """The standard output of a program, which must succeed without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_that_are_ssl_or_its_classes_and_functions_become_ours() -> None:
    run("""
        import asyncio.sslproto, http.client, ssl, urllib.request
        import ssl as security
        from ssl import SSLContext as Context, create_default_context, SSLError, CERT_NONE, RAND_bytes
        import tlsocket, sys
        report = tlsocket.install()
        assert sys.modules["ssl"] is ssl is security is http.client.ssl is asyncio.sslproto.ssl is tlsocket
        assert Context is tlsocket.SSLContext and create_default_context is tlsocket.create_default_context
        assert RAND_bytes is tlsocket.RAND_bytes
        import _ssl
        assert SSLError is _ssl.SSLError and _ssl.RAND_bytes is not RAND_bytes
        assert {"__main__.ssl", "__main__.security", "__main__.Context", "http.client.ssl"} <= set(report.rebound)
        assert type(create_default_context()) is tlsocket.SSLContext
    """)


def test_the_standard_librarys_module_is_not_edited_and_everything_is_undone() -> None:
    run("""
        import asyncio, http.client, ssl, sys, urllib.request
        import tlsocket.dropin.debugging, tlsocket.dropin.installation
        standard = [ssl]  # a list is out of the reach of names
        def look():
            return {
                (name, key): id(value)
                for name, module in list(sys.modules.items())
                for key, value in list(vars(module).items())
                if name != "__main__" and not name.startswith("tlsocket")
            }, id(sys.modules["ssl"])
        before = look()
        for _ in range(2):
            tlsocket.install()
            tlsocket.install()
            assert look() != before and ssl is tlsocket
            assert standard[0].SSLContext.__module__ == "ssl"
            report = tlsocket.uninstall()
            assert "http.client.ssl" in report.rebound
            assert look() == before and ssl is standard[0]
        assert tlsocket.uninstall().rebound == ()
    """)


def test_what_the_program_bound_since_stays_and_late_importers_are_reported() -> None:
    run("""
        import http.client, ssl, tlsocket
        standard = [ssl]
        tlsocket.install()
        import ftplib
        http.client.ssl = None
        report = tlsocket.uninstall()
        assert http.client.ssl is None and ssl is standard[0]
        assert [str(each) for each in report.unreached] == ["module: ftplib.ssl (ssl.the module)"]
        assert ftplib.ssl is tlsocket
    """)


def test_what_is_not_reached_is_reported() -> None:
    run("""
        import ssl, tlsocket
        class Derived(ssl.SSLContext): pass
        class Holder: factory = ssl.create_default_context
        def connect(kind=ssl.SSLContext, *, make=ssl.create_default_context): pass
        existing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ssl._create_default_https_context = ssl._create_unverified_context
        report = tlsocket.install()
        found = {(each.kind.value, each.where, each.what) for each in report.unreached}
        assert found == {
            ("subclass", "__main__.Derived", "SSLContext"),
            ("class attribute", "__main__.Holder.factory", "create_default_context"),
            ("default argument", "__main__.connect", "SSLContext"),
            ("default argument", "__main__.connect", "create_default_context"),
            ("object", "ssl.SSLContext", "SSLContext"),
            ("setting", "ssl._create_default_https_context", "_create_default_https_context"),
        }, found
        assert "not reached: subclass: __main__.Derived (ssl.SSLContext)" in str(report)
    """)


def test_nothing_is_left_out_when_it_comes_first() -> None:
    run("""
        import tlsocket
        report = tlsocket.install()
        assert report.unreached == (), report
        import http.client, ssl
        assert http.client.ssl is ssl is tlsocket
    """)


def test_modules_of_ours_get_the_standard_library_whenever_they_are_imported() -> None:
    from tlsocket.dropin.installation import _USERS_OF_SSL

    folder = ROOT / "src" / "tlsocket"
    users = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if "ssl" in names or (isinstance(node, ast.ImportFrom) and node.module == "ssl" and not node.level):
                users.add(path.relative_to(folder).with_suffix("").as_posix())
    # Loaded with the face, or named to `install`; of the others, the command's and the benchmark's
    # need what is the same in both, or run in processes of their own.
    with_the_face = {f"dropin/{name}" for name in ("context", "defaults", "enums", "exceptions", "installation",
                                                     "sslobject", "sslsocket", *_USERS_OF_SSL)}  # fmt: skip
    others = {"aio/protocol", "cli/output", "pki/stores/platform"}
    assert {user for user in users - with_the_face if not user.startswith("bench/")} <= others


@pytest.mark.parametrize("way", ["install", "run"])
def test_urllib_without_verification_as_pep_476_has_it(way: str, files: Files, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import http.client, http.server, ssl, sys, threading, urllib.error, urllib.request

        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, address):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        with Server(("localhost", 0), Quiet) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"https://localhost:{server.server_port}/program.py"
            try:
                urllib.request.urlopen(address, timeout=20)
            except urllib.error.URLError as error:
                assert isinstance(error.reason, ssl.SSLCertVerificationError), error
            else:
                raise SystemExit("an unknown authority was believed")
            ssl._create_default_https_context = ssl._create_unverified_context
            urllib.request.install_opener(None)  # from Python 3.12 on it keeps the context of its first use
            with urllib.request.urlopen(address, timeout=20) as response:
                assert response.read() == open("program.py", "rb").read()
            connection = http.client.HTTPSConnection("localhost", server.server_port, timeout=20)
            connection.request("HEAD", "/program.py")
            kind = type(connection.sock).__module__
            print(connection.getresponse().status, kind)
            connection.close()
            server.shutdown()
        """)
    )
    if way == "install":
        code = "import tlsocket, runpy; tlsocket.install(); runpy.run_path('program.py', run_name='__main__')"
        assert run(code, files.certificate, files.key, folder=tmp_path) == "200 tlsocket.dropin.sslsocket\n"
    else:
        words = f"['run', 'program.py', {files.certificate!r}, {files.key!r}]"
        code = f"from tlsocket.cli.__main__ import main; raise SystemExit(main({words}))"
        assert run(code, folder=tmp_path) == "200 tlsocket.dropin.sslsocket\n"
