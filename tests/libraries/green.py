"""A program, since patching is for a whole process: `python -m tests.libraries.green LIBRARY ORDER ENDS FILES`.

LIBRARY is gevent or eventlet; ORDER says whether tlsocket is imported before or after everything is patched; ENDS is
the module of the client and of the server, as in `ours-ssl`; FILES are those of `tests.dropin.support.Files`. Both ends
are in this one process and one thread: a call that waits without letting others run is a deadlock, which the test that
starts this ends. `test_green` says what is expected.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

DATA = bytes(range(256)) * 4000


def main(library: str, order: str, ends: str, folder: str, *paths: str) -> None:
    if order == "before":
        importlib.import_module("tlsocket")
    if library == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        warnings.simplefilter("ignore")  # eventlet says that it is deprecated
        importlib.import_module("eventlet").monkey_patch()

    import tlsocket
    from tests.dropin.support import Files
    from tests.libraries.ends import MODULES, Ends

    client, server = ends.split("-")
    assert sys.modules["socket"].socket.__module__.startswith(library), "it is patched"
    assert not tlsocket.SSLSocket.__mro__[-3].__module__.startswith(library), "and we are not"
    made = Ends(Files(folder, *paths), MODULES[client], MODULES[server])  # type: ignore[arg-type]
    sockets(made)
    http(library, made)
    print("done")


def sockets(ends: Ends) -> None:  # type: ignore[name-defined]  # noqa: F821  # imported late, see `main`
    """A wrapped listener, a socket that is wrapped before it connects, both ways at once, a timeout, the end."""
    import socket
    import threading
    import time

    ticks: list[int] = []
    over = threading.Event()

    def tick() -> None:
        while not over.is_set():
            ticks.append(1)
            time.sleep(0.005)

    def serve(listener: Any) -> None:
        connection, _ = listener.accept()
        with connection:
            while piece := connection.recv(65536):
                connection.sendall(piece)
            connection.unwrap()

    with ends.server().wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        threads = [threading.Thread(target=tick), threading.Thread(target=serve, args=[listener])]
        for thread in threads:
            thread.start()
        with ends.client().wrap_socket(socket.socket(), server_hostname="localhost") as near:
            near.settimeout(20)
            near.connect(listener.getsockname())
            sending = threading.Thread(target=near.sendall, args=[DATA])
            sending.start()
            received = b""
            while len(received) < len(DATA):
                received += near.recv(100_000)
            sending.join()
            assert received == DATA
            before = len(ticks)
            near.settimeout(0.3)
            try:
                near.recv(1)
            except TimeoutError:
                assert len(ticks) - before > 5, "nobody else ran meanwhile"
            else:
                raise AssertionError("no timeout")
            near.settimeout(20)
            near.unwrap().close()
        over.set()
        for thread in threads:
            thread.join()


def http(library: str, ends: Ends) -> None:  # type: ignore[name-defined]  # noqa: F821
    """The library's own WSGI server, and urllib3: data, nobody trusted, a client certificate or none."""
    import threading

    import urllib3

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

    def request(port: int, context: Any) -> bytes:
        with urllib3.PoolManager(ssl_context=context, retries=False, timeout=20) as pool:
            return bytes(pool.request("POST", f"https://localhost:{port}/", body=DATA).data)

    def refused(port: int, context: Any) -> None:
        try:
            request(port, context)
        except (urllib3.exceptions.SSLError, urllib3.exceptions.ProtocolError):
            return
        raise AssertionError("it was not refused")

    for demand in (False, True):
        context = ends.server(demand=demand)
        if library == "gevent":
            import gevent
            from gevent.pywsgi import WSGIServer

            gevent.get_hub().exception_stream = None  # it prints the handshakes that are refused here
            server = WSGIServer(("127.0.0.1", 0), application, ssl_context=context, log=None, error_log=None)
            server.start()
            port, stop = server.server_port, server.stop
        else:
            import eventlet
            import eventlet.wsgi

            listener = eventlet.listen(("127.0.0.1", 0))
            port, stop = listener.getsockname()[1], lambda: None

            def accept(listener: Any = listener, context: Any = context) -> None:
                with listener:
                    for _ in range(3):
                        connection, address = listener.accept()
                        try:
                            wrapped = context.wrap_socket(connection, server_side=True)
                        except OSError:
                            continue  # refused by one end or the other
                        hub = eventlet.wsgi.Server(None, address, application, log_output=False)
                        hub.process_request([address, wrapped, eventlet.wsgi.STATE_IDLE])

            threading.Thread(target=accept, daemon=True).start()
        assert request(port, ends.client(certificate=demand)) == DATA
        refused(port, ends.client(trusting=False))
        if demand:
            refused(port, ends.client())
        stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
