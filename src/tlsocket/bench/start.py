"""What a process pays before its first handshake is done: importing the library, a context, and that handshake.

In processes of their own, one after the other, by the processor time that the system counted for each. "Cold" means a
new process; the files are in the system's cache and the bytecode is compiled, as they are from the second start on.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from tlsocket.bench.setting import certificates

__all__ = ["run"]

NAMES = {"stdlib": "ssl", "tlsocket": "tlsocket"}
IMPORT = "import {library} as tls"
CONTEXT = "client = tls.create_default_context(cafile={root!r})"
HANDSHAKE = """
server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
server.load_cert_chain({server!r}, {server_key!r})
to_server, to_client = tls.MemoryBIO(), tls.MemoryBIO()
ends = [client.wrap_bio(to_client, to_server, server_hostname="localhost")]
ends.append(server.wrap_bio(to_server, to_client, server_side=True))
while ends:
    end = ends.pop(0)
    try:
        end.do_handshake()
    except tls.SSLWantReadError:
        ends.append(end)
"""


def run(library: str, count: int = 10) -> dict[str, float]:
    """Milliseconds of processor time beyond those of an interpreter that does nothing, medians of `count` processes.

    Each figure contains the ones before it: the import; import and `create_default_context(cafile=...)`; both and a
    handshake in memory, whose server is made in the same process.
    """
    files = certificates()
    steps = [part.format(library=NAMES[library], **files) for part in (IMPORT, CONTEXT, HANDSHAKE)]
    programs = ["\n".join(steps[:length]) for length in range(4)]
    environment = dict(os.environ)
    # A setting for the whole machine not to write bytecode would make us measure the compiler.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(Path(files["root"]).with_name("bytecode"))
    _processor_time(programs[-1], environment)
    spent = [[_processor_time(program, environment) for program in programs] for _ in range(count)]
    nothing, *medians = (statistics.median(times) * 1e3 for times in zip(*spent, strict=True))
    names = ("ms import", "ms context", "ms handshake")
    return {name: median - nothing for name, median in zip(names, medians, strict=True)}


def _processor_time(program: str, environment: dict[str, str]) -> float:
    """Seconds that a process with this program took, user's and system's."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
