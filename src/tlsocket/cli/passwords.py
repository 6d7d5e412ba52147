"""Where the command line's passwords come from: a file, the environment's file, or a prompt; never an argument.

Nothing is asked before it is needed. What a password opens is the library's business.
"""

from __future__ import annotations

import os
import sys

import click

from tlsocket.pki.files import read_limited

__all__ = ["ENVIRONMENT", "Passwords"]

ENVIRONMENT = "TLSOCKET_PASSWORD_FILE"
_LIMIT = 64 * 1024


class Passwords:
    """Answers questions for passwords, each question once, in the order in which they come up.

    `--password-file FILE` is first, then the file that `TLSOCKET_PASSWORD_FILE` names, then a prompt when standard
    input is a terminal. The lines of a file answer one question each, as with `openssl -passin` and `-passout`; when
    there are more questions than lines, the last line answers the rest.
    """

    def __init__(self, file: str | None = None) -> None:
        self._given = file is not None
        self._file = file if file is not None else os.environ.get(ENVIRONMENT) or None
        self._lines: list[bytes] | None = None
        self._used = 0
        self._known: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<Passwords from {self._file or 'the terminal'}>"

    @property
    def from_file(self) -> bool:
        """Whether a file answers, and nobody is asked."""
        return self._file is not None and not self._asks_for_dash()

    @property
    def left(self) -> bool:
        """Whether a file has a line that has answered no question yet."""
        return self._file is not None and (self._asks_for_dash() or self._used < len(self._read()))

    @property
    def available(self) -> bool:
        """Whether there is anybody or anything to ask."""
        return self._file is not None or sys.stdin.isatty()

    def ask(self, question: str, *, confirm: bool = False) -> bytes | None:
        """The password that `question` is about ("password of store.p12"); None when there is nobody to ask.

        With `confirm`, for a new password, a person is asked twice. Raises `FileUnavailable`.
        """
        if question in self._known:
            return self._known[question]
        if self._file is not None and not self._asks_for_dash():
            lines = self._read()
            answer = lines[min(self._used, len(lines) - 1)]
            self._used += 1
        elif sys.stdin.isatty():
            text = click.prompt(question.capitalize(), hide_input=True, confirmation_prompt=confirm, err=True)
            answer = str(text).encode()
        else:
            return None
        self._known[question] = answer
        return answer

    def required(self, question: str, *, confirm: bool = False) -> bytes:
        """The same; when there is nobody to ask it is a usage error that says what to give."""
        answer = self.ask(question, confirm=confirm)
        if answer is None:
            raise click.UsageError(
                f"{question} is needed: give --password-file FILE (or - for standard input), or set {ENVIRONMENT}"
            )
        return answer

    def _asks_for_dash(self) -> bool:
        """`-` on a terminal means that the person is asked, without an echo."""
        return self._file == "-" and sys.stdin.isatty()

    def _read(self) -> list[bytes]:
        if self._lines is None:
            file = self._file or ""
            if file == "-":
                data = sys.stdin.buffer.read(_LIMIT)
            else:
                data = read_limited(file, _LIMIT, what="password file", regular=False)
            # One line end belongs to the file, not to the password; blanks may be part of it.
            self._lines = [line.removesuffix(b"\r") for line in data.removesuffix(b"\n").split(b"\n")]
        return self._lines
