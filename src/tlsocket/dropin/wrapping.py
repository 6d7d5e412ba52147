"""What `wrap_socket` accepts, judged before anything is taken over.

Not here: what is then done with it (`sslsocket`, `carried`).
"""

from __future__ import annotations

import errno
from socket import SO_TYPE, SOCK_STREAM, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from tlsocket.dropin.carried import CarriedSocket, green, socket
from tlsocket.dropin.exceptions import SSLError
from tlsocket.dropin.session import check_session

if TYPE_CHECKING:
    from tlsocket.dropin.context import SSLContext

__all__ = ["check_wrap_arguments", "data_before_handshake", "is_carried"]


def check_wrap_arguments(
    sock: Any, server_side: bool, server_hostname: str | bytes | None, context: SSLContext, session: object
) -> None:
    """Raise what `ssl` raises for arguments that do not go together."""
    if hasattr(sock, "getsockopt") and sock.getsockopt(SOL_SOCKET, SO_TYPE) != SOCK_STREAM:
        raise NotImplementedError("only stream sockets are supported")
    if server_side:
        if server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if session is not None:
            raise ValueError("session can only be specified in client mode")
    if context.check_hostname and not server_hostname:
        raise ValueError("check_hostname requires server_hostname")
    check_session(session, context)
    if getattr(sock, "_behind", b""):
        raise data_before_handshake()  # plaintext would be taken for a part of what TLS protects


def data_before_handshake() -> SSLError:
    """For plaintext that nobody has read (CVE-2023-40217)."""
    reason = "Closed before TLS handshake with data in recv buffer."
    failure = SSLError(errno.ENOTCONN, reason)
    failure.reason = reason
    failure.library = None  # type: ignore[assignment]
    return failure


def is_carried(sock: Any) -> bool:
    """Whether `sock` is to move the bytes itself: it carries TLS, is cooperative, or is no socket of the kernel's.

    Raises:
        TypeError: it is none of them, nor a socket; the text says what to give instead.
    """
    if isinstance(sock, CarriedSocket) or getattr(sock, "_sslobj", None) is not None or green(sock) is not None:
        return True
    if isinstance(sock, socket):
        return False
    if callable(getattr(sock, "recv", None)) and callable(getattr(sock, "send", None)):
        return True
    # asyncio's TransportSocket has neither.
    hint = ": what its dup() returns may be one" if callable(getattr(sock, "dup", None)) else ""
    raise TypeError(f"a socket is needed, or an object with recv and send, not {type(sock).__name__}{hint}")
