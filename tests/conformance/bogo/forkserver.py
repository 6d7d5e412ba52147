"""A resident interpreter that has imported everything and forks once per test; `relay` is the other end.

Run with `python -m tests.conformance.bogo.forkserver SOCKET`. With `--record FILE` nothing is forked: the arguments of
each test are appended to the file as a line of JSON, and the answer is "unimplemented".
"""

from __future__ import annotations

import argparse
import array
import gc
import json
import os
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

from tests.conformance.bogo import shim
from tests.conformance.bogo.flags import UNIMPLEMENTED

_LIMIT = 1 << 20
_SECONDS = 60
"""A test that takes longer is killed; the runner itself gives up much earlier."""


def receive(connection: socket.socket) -> tuple[list[str], list[int]]:
    """A relay's arguments and the descriptors of its standard output and error."""
    descriptors = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(2 * descriptors.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    while len(data) < 4:
        data += connection.recv(65536)
    (length,) = struct.unpack_from("=I", data)
    if length > _LIMIT:
        raise ValueError("too many arguments")
    while len(data) < 4 + length:
        part = connection.recv(65536)
        if not part:
            raise ValueError("the relay went away")
        data += part
    words = data[4:].split(b"\0")[:-1]
    return [word.decode("utf-8", "surrogateescape") for word in words], list(descriptors)


def answer(connection: socket.socket) -> int:
    """Run one test in this process; returns its exit status."""
    arguments, streams = receive(connection)
    for target, descriptor in zip((1, 2), streams, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)
    if "-is-handshaker-supported" in arguments:
        os.write(1, b"No\n")
        return 0
    return shim.main(arguments)


def record(connection: socket.socket, file: Path) -> int:
    """Note the arguments of one test."""
    arguments, streams = receive(connection)
    if "-is-handshaker-supported" in arguments:
        os.write(streams[0], b"No\n")
    else:
        with file.open("a", encoding="utf-8") as lines:
            print(json.dumps(arguments), file=lines)
    for descriptor in streams:
        os.close(descriptor)
    return 0 if "-is-handshaker-supported" in arguments else UNIMPLEMENTED


def serve(listener: socket.socket, recording: Path | None) -> None:
    """Answer relays until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        connection, _ = listener.accept()
        with connection:
            if recording is not None:
                connection.send(bytes([record(connection, recording)]))
            elif os.fork() == 0:
                _child(listener, connection)


def _child(listener: socket.socket, connection: socket.socket) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.alarm(_SECONDS)
        listener.close()
        status = answer(connection)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            connection.send(bytes([status]))
        finally:
            os._exit(status)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.bogo.forkserver", description=__doc__)
    parser.add_argument("socket", type=Path, help="where to listen (a Unix socket)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="only note each test's arguments")
    arguments = parser.parse_args()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(arguments.socket))
        listener.listen(64)
        serve(listener, arguments.record)


if __name__ == "__main__":
    main()
