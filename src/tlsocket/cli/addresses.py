"""HOST[:PORT] as people write it, IPv6 in brackets. Looking names up is the socket module's business."""

from __future__ import annotations

import click

__all__ = ["Address", "format_address", "parse_address"]

Address = tuple[str, int]


def parse_address(text: str, default_port: int) -> Address:
    """Split `example.com`, `example.com:8443`, `[::1]:8443` or `::1`; raises `click.BadParameter`."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise click.BadParameter(f"{text!r} is not [ADDRESS] or [ADDRESS]:PORT")
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host:
        raise click.BadParameter(f"{text!r} names no host")
    if not port:
        return host, default_port
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{port!r} is not a port between 1 and 65535")
    return host, int(port)


def format_address(address: tuple[object, ...]) -> str:
    """`host:port` of what a socket reports."""
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
