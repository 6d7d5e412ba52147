"""The program that the runner starts for each test: it hands its arguments to the fork server and exits as it says.

Thousands of starts of a Python interpreter would take most of an hour, so this is a few lines of C, compiled when the
suite is run. The other end is `forkserver`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["SOCKET_VARIABLE", "build"]

SOCKET_VARIABLE = "TLSOCKET_BOGO_SOCKET"
"""Environment variable with the path of the fork server's socket."""

SOURCE = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) { perror(what); return 1; }

int main(int argc, char **argv) {
    const char *path = getenv("TLSOCKET_BOGO_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof(address.sun_path)) { fputs("no fork server\n", stderr); return 1; }
    strcpy(address.sun_path, path);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof(address)) < 0) return fail("fork server");

    uint32_t length = 0;
    for (int i = 1; i < argc; i++) length += strlen(argv[i]) + 1;
    char *message = malloc(length + 4), *end = message + 4;
    if (message == NULL) return fail("arguments");
    memcpy(message, &length, 4);
    for (int i = 1; i < argc; i++) end = stpcpy(end, argv[i]) + 1;

    int streams[2] = {1, 2};
    char control[CMSG_SPACE(sizeof(streams))] = {0};
    struct iovec part = {.iov_base = message, .iov_len = length + 4};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(streams));
    memcpy(CMSG_DATA(rights), streams, sizeof(streams));
    ssize_t sent = sendmsg(server, &header, 0);
    if (sent < 0) return fail("fork server");
    for (char *rest = message + sent; rest < end;) {
        ssize_t more = write(server, rest, end - rest);
        if (more < 0) return fail("fork server");
        rest += more;
    }
    unsigned char status;
    return read(server, &status, 1) == 1 ? status : fail("the shim died");
}
"""


def build(folder: Path) -> Path:
    """Compile the relay in `folder`; returns its path."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("no C compiler; on Debian: apt-get install gcc")
    program = folder / "relay"
    command = [compiler, "-O1", "-D_GNU_SOURCE", "-x", "c", "-o", str(program), "-"]
    subprocess.run(command, input=SOURCE, text=True, timeout=60, check=True)
    return program
