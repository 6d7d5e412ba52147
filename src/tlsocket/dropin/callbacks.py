"""The callbacks of an `SSLContext`: what a program may decide itself while a handshake waits, and who listens.

They are kept here; `tlsocket.dropin.view` calls those that decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tlsocket.dropin.credentials import PasswordSource, client_chooser
from tlsocket.dropin.enums import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER

if TYPE_CHECKING:
    from tlsocket.events import Event
    from tlsocket.pki.stores import CertificateStore

__all__ = ["Callbacks"]


class Callbacks:
    """The part of `SSLContext` that keeps them."""

    _protocol: Any
    _sni_callback: Callable[..., Any] | None
    _client_hello_callback: Callable[..., Any] | None
    _client_certificate_callback: Callable[..., Any] | None

    on_event: Callable[[Event], None] | None
    _message_callback: Callable[..., Any] | None

    def _changed(self) -> None:
        raise NotImplementedError

    @property
    def _msg_callback(self) -> Callable[..., Any] | None:
        """Called with each handshake message, change_cipher_spec and alert; for debugging, as in `ssl`."""
        return self._message_callback

    @_msg_callback.setter
    def _msg_callback(self, callback: Callable[..., Any] | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"{callback} is not callable.")
        self._message_callback = callback

    def _listener(self, owner: object) -> Callable[[Event], None] | None:
        """What a connection of the socket or object `owner` shall report to."""
        if self._message_callback is None:
            return self.on_event
        from tlsocket.dropin.debugging import MessageListener

        return MessageListener(self._message_callback, owner, self.on_event)

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """Called as `(sslsocket_or_object, server_name, context)` for each ClientHello a server receives.

        It may set the socket's `context`, and answers None to go on or the number of an alert to refuse.
        """
        return self._sni_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., Any] | None) -> None:
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        self._sni_callback = _callable_or_none(callback)
        self._changed()

    @property
    def client_hello_callback(self) -> Callable[..., Any] | None:
        """Called as `(sslsocket_or_object, hello)` with a `ClientHelloInfo` before a server decides anything.

        It may set the socket's `context`, and answers None to go on or the number of an alert to refuse. It comes
        before `sni_callback`. What it raises ends the connection and reaches the caller of the handshake. Not in `ssl`.
        """
        return self._client_hello_callback

    @client_hello_callback.setter
    def client_hello_callback(self, callback: Callable[..., Any] | None) -> None:
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("client_hello_callback cannot be set on TLS_CLIENT context")
        self._client_hello_callback = _callable_or_none(callback)
        self._changed()

    @property
    def client_certificate_callback(self) -> Callable[..., Any] | None:
        """Called as `(sslsocket_or_object, request)` on a client that is asked for a certificate, in the handshake or
        later; `request` has `server_name`, `certificate_authorities` (DER names) and `signature_schemes`.

        It answers None to send none, or what `load_cert_chain` takes: a certificate, or a tuple of certificate, key and
        perhaps password. What it raises ends the connection and reaches the caller. Not in `ssl`.
        """
        return self._client_certificate_callback

    @client_certificate_callback.setter
    def client_certificate_callback(self, callback: Callable[..., Any] | None) -> None:
        if self._protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("client_certificate_callback cannot be set on TLS_SERVER context")
        self._client_certificate_callback = _callable_or_none(callback)
        self._changed()

    def use_client_store(self, store: CertificateStore, password: PasswordSource = None) -> None:
        """Answer servers that ask for a certificate out of a certificate store, usually MY of the user.

        Of the entries with a key those count that are valid, for clients, not distrusted, issued under one of the
        authorities that the server names, and able to sign for it; the one that lasts longest is sent. None: none is.
        The store is looked at anew for every request. This sets `client_certificate_callback`. Not in `ssl`.
        """
        self.client_certificate_callback = client_chooser(store, password)

    def set_servername_callback(self, server_name_callback: Callable[..., Any] | None) -> None:
        """The older way to set `sni_callback`."""
        self.sni_callback = server_name_callback


def _callable_or_none(callback: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if callback is not None and not callable(callback):
        raise TypeError("not a callable object")
    return callback
