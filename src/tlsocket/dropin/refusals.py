"""Methods of `socket.socket` that would bypass a TLS connection and are refused (design law 12).

After `unwrap` those that `ssl` then allows are the plain socket's again. Not here: what does go through the connection
(`sslsocket`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tlsocket.dropin.carried import socket

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from tlsocket.connection import Connection

__all__ = ["Refusals"]


class Refusals(socket):
    """Stands before `socket.socket` among the classes of `SSLSocket`."""

    __slots__ = ()

    if TYPE_CHECKING:
        _behind: bytes
        _plain: bool

        @property
        def _conn(self) -> Connection | None: ...

    def _refuse_datagrams(self, method: str) -> None:
        if self._conn is None and not self._plain:
            self.getpeername()  # where nothing is connected, that is the error
        if not self._plain:
            raise ValueError(f"{method} not allowed on instances of {type(self)}")

    def sendto(self, data: ReadableBuffer, flags_or_addr: Any, addr: Any = None) -> int:
        """Not with TLS on the socket."""
        self._refuse_datagrams("sendto")
        arguments = (flags_or_addr,) if addr is None else (flags_or_addr, addr)
        return super().sendto(data, *arguments)

    def recvfrom(self, buflen: int = 1024, flags: int = 0) -> tuple[bytes, Any]:
        """Not with TLS on the socket."""
        self._refuse_datagrams("recvfrom")
        if self._behind:
            return self.recv(buflen, flags), None
        return super().recvfrom(buflen, flags)

    def recvfrom_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> tuple[int, Any]:
        """Not with TLS on the socket."""
        self._refuse_datagrams("recvfrom_into")
        if self._behind:
            return self.recv_into(buffer, nbytes or 0, flags), None
        return super().recvfrom_into(buffer, nbytes or 0, flags)

    def sendmsg_afalg(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Never on an SSLSocket."""
        raise NotImplementedError(f"sendmsg_afalg not allowed on instances of {type(self)}")

    def recvmsg(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Never on an SSLSocket."""
        raise NotImplementedError(f"recvmsg not allowed on instances of {type(self)}")

    def recvmsg_into(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Never on an SSLSocket."""
        raise NotImplementedError(f"recvmsg_into not allowed on instances of {type(self)}")

    def dup(self) -> NoReturn:
        """Two objects cannot share one connection's keys."""
        raise NotImplementedError(f"Can't dup() {type(self).__name__} instances")
