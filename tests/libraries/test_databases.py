"""PyMySQL against a real MariaDB (OpenSSL on that side), and pika against a real RabbitMQ (Erlang's own TLS).

Each test starts a server of its own in its folder; both demand a client's certificate.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.dropin.support import TIMEOUT, Files
from tests.libraries.ends import Ends
from tests.libraries.processes import cases, free_port, process

DATA = os.urandom(300_000)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def near(files: Files) -> Ends:
    return Ends(files, tlsocket, tlsocket)


ACCOUNT = """
flush privileges;
create database test;
create user app@'%' identified by 'secret' require x509;
grant all on test.* to app@'%';
"""


def test_pymysql(near: Ends, files: Files, peer: Callable[[str], str], tmp_path: Path) -> None:
    import pymysql

    data, port = tmp_path / "data", free_port()
    data.mkdir()
    words = [peer("mariadbd"), "--no-defaults", f"--user={getpass.getuser()}", f"--datadir={data}", "--skip-innodb",
             "--default-storage-engine=Aria"]  # fmt: skip
    tables = "".join(
        (Path("/usr/share/mysql") / f"{name}.sql").read_text(encoding="utf-8")
        for name in ("mysql_system_tables", "mysql_system_tables_data")
    )
    subprocess.run(
        [*words, "--bootstrap"], input="create database mysql;\nuse mysql;\n" + tables + ACCOUNT, encoding="utf-8",
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    words += ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={tmp_path / 'socket'}",
              f"--pid-file={tmp_path / 'pid'}", "--require-secure-transport=ON", "--max-allowed-packet=4M",
              f"--ssl-cert={files.certificate}", f"--ssl-key={files.key}", f"--ssl-ca={files.authority}"]  # fmt: skip

    def act(context: Any) -> None:
        connection = pymysql.connect(
            host="localhost", port=port, user="app", password="secret", database="test", ssl=context,
            connect_timeout=TIMEOUT, read_timeout=TIMEOUT, write_timeout=TIMEOUT,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            assert type(connection._sock) is tlsocket.SSLSocket
            cursor.execute("create or replace table words (word longblob)")
            cursor.execute("insert into words values (%s)", (DATA,))
            cursor.execute("select word from words")
            assert cursor.fetchone() == (DATA,)
            cursor.execute("show status like 'Ssl_cipher'")
            cipher = connection._sock.cipher()
            assert cipher is not None
            assert cursor.fetchone() == ("Ssl_cipher", cipher[0])

    with process(words, port, tmp_path / "log"):
        cases(near, act)


RABBIT = """
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = {version}
"""


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("version", ["tlsv1.3", "tlsv1.2"])
def test_pika(version: str, near: Ends, files: Files, peer: Callable[[str], str], tmp_path: Path) -> None:
    """Long, since Erlang and the broker take five seconds and more to start."""
    import pika

    peer("rabbitmq-server")  # on Debian a script that changes the user; what it starts is this
    words = ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
    port, mapper = free_port(), free_port()
    settings = tmp_path / "rabbitmq.conf"
    settings.write_text(RABBIT.format(port=port, version=version, **vars(files)))
    environment = {
        **os.environ, "HOME": str(tmp_path), "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_NODENAME": f"test{port}@localhost", "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(settings), "RABBITMQ_CONF_ENV_FILE": str(tmp_path / "none"),
        "RABBITMQ_MNESIA_BASE": str(tmp_path / "data"), "RABBITMQ_LOG_BASE": str(tmp_path),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path / "plugins"), "RABBITMQ_PID_FILE": str(tmp_path / "pid"),
    }  # fmt: skip

    def act(context: Any) -> None:
        parameters = pika.ConnectionParameters(
            "localhost", port, ssl_options=pika.SSLOptions(context, "localhost"), connection_attempts=1,
            socket_timeout=TIMEOUT, stack_timeout=TIMEOUT, blocked_connection_timeout=TIMEOUT,
        )  # fmt: skip
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_publish("", queue, DATA)
            deadline = time.monotonic() + TIMEOUT
            body = None
            while body is None and time.monotonic() < deadline:
                body = channel.basic_get(queue, auto_ack=True)[2]
            assert body == DATA
        finally:
            connection.close()

    try:
        with process(words, port, tmp_path / "log", seconds=90, env=environment):
            cases(near, act)
    finally:
        # Erlang's port mapper goes on after the node that started it.
        subprocess.run(["epmd", "-kill"], env=environment, check=False, capture_output=True, timeout=20)
