"""A server of OpenSSL that demands a cookie: `SSL_stateless` through ctypes, since `s_server -stateless` hangs up.

Run with `python -m tests.interop.cookie_server PORT CERTIFICATE KEY` from the project's folder: in a process of its
own, since the library may be another one than the interpreter's. It answers HelloRetryRequest with a cookie (RFC 9846
section 4.3.2), forgets the connection as a stateless server does, takes up the second ClientHello with a new one only
if the cookie comes back, then answers a line. Prints what happened. Loads nothing of ours.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import sys

COOKIE = bytes(range(100, 148))

GENERATE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.POINTER(ctypes.c_size_t)
)
VERIFY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_size_t)
POINTER, INT, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
FUNCTIONS = {
    "TLS_server_method": (POINTER, []),
    "SSL_CTX_new": (POINTER, [POINTER]),
    "SSL_CTX_use_certificate_chain_file": (INT, [POINTER, TEXT]),
    "SSL_CTX_use_PrivateKey_file": (INT, [POINTER, TEXT, INT]),
    "SSL_CTX_set_stateless_cookie_generate_cb": (None, [POINTER, GENERATE]),
    "SSL_CTX_set_stateless_cookie_verify_cb": (None, [POINTER, VERIFY]),
    "SSL_new": (POINTER, [POINTER]),
    "SSL_set_fd": (INT, [POINTER, INT]),
    "SSL_stateless": (INT, [POINTER]),
    "SSL_accept": (INT, [POINTER]),
    "SSL_read": (INT, [POINTER, POINTER, INT]),
    "SSL_write": (INT, [POINTER, TEXT, INT]),
    "SSL_shutdown": (INT, [POINTER]),
}
PEM = 1


def generate(_ssl: object, cookie: ctypes._Pointer[ctypes.c_ubyte], length: ctypes._Pointer[ctypes.c_size_t]) -> int:
    """Always the same cookie: there is one client."""
    ctypes.memmove(cookie, COOKIE, len(COOKIE))
    length[0] = len(COOKIE)
    return 1


def verify(_ssl: object, cookie: ctypes._Pointer[ctypes.c_ubyte], length: int) -> int:
    """Whether it is ours."""
    came_back = ctypes.string_at(cookie, length) == COOKIE
    print("cookie came back" if came_back else "another cookie", flush=True)
    return int(came_back)


def load() -> ctypes.CDLL:
    """The system's libssl, with its functions declared."""
    name = ctypes.util.find_library("ssl")
    if name is None:
        sys.exit("libssl is missing")
    library = ctypes.CDLL(name)
    for function, (result, arguments) in FUNCTIONS.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


def demand(result: int | None, what: str) -> int:
    """`result`, unless it says that `what` failed."""
    if result is None or result <= 0:
        sys.exit(f"{what} failed")
    return result


def main(port: str, certificate: str, key: str) -> int:
    """Serve one connection."""
    lib = load()
    context = demand(lib.SSL_CTX_new(lib.TLS_server_method()), "SSL_CTX_new")
    demand(lib.SSL_CTX_use_certificate_chain_file(context, certificate.encode()), "certificate")
    demand(lib.SSL_CTX_use_PrivateKey_file(context, key.encode(), PEM), "key")
    callbacks = GENERATE(generate), VERIFY(verify)  # kept: the library does not
    lib.SSL_CTX_set_stateless_cookie_generate_cb(context, callbacks[0])
    lib.SSL_CTX_set_stateless_cookie_verify_cb(context, callbacks[1])
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        sock, _address = listener.accept()
    with sock:
        for expected in (0, 1):
            connection = demand(lib.SSL_new(context), "SSL_new")
            demand(lib.SSL_set_fd(connection, sock.fileno()), "SSL_set_fd")
            result = lib.SSL_stateless(connection)
            if result < 0:
                result = lib.SSL_stateless(connection)  # that was the dummy change_cipher_spec of RFC 9846 section E.4
            if result != expected:
                sys.exit(f"SSL_stateless returned {result}, not {expected}")
        demand(lib.SSL_accept(connection), "SSL_accept")
        buffer = ctypes.create_string_buffer(256)
        count = demand(lib.SSL_read(connection, buffer, len(buffer)), "SSL_read")
        demand(lib.SSL_write(connection, buffer.raw[:count], count), "SSL_write")
        lib.SSL_shutdown(connection)
        sock.settimeout(20)
        sock.recv(256)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
