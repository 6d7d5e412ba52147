"""Tests of `tlsocket.handshake`."""
