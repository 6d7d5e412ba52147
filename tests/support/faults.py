"""A machine that fails at a step of the test's choosing: a full disk, or a kill, between any two system calls.

`FailingFileSystem` and `KillingFileSystem` are put in the place of `tlsocket.pki.files.system`. The step counter is
common to all kinds of steps, so that a test walks them by counting up until nothing fails any more.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

from tlsocket.pki.files import FileSystem

__all__ = ["FailingFileSystem", "KillingFileSystem"]


class _Stepping(FileSystem):
    def __init__(self, at: int) -> None:
        self.at = at
        self.steps: list[str] = []

    def _step(self, name: str, half: Callable[[], object] | None = None) -> None:
        self.steps.append(name)
        if len(self.steps) == self.at:
            if half is not None:
                half()
            self.fail(name)

    def fail(self, name: str) -> None:
        raise NotImplementedError

    @property
    def reached(self) -> bool:
        """True when the step was there to fail."""
        return len(self.steps) >= self.at

    def create(self, path: str) -> int:
        self._step("create")
        return super().create(path)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._step("write", lambda: os.write(descriptor, data[: len(data) // 2]))
        return super().write(descriptor, data)

    def permit(self, descriptor: int, mode: int, group: int | None) -> None:
        self._step("permit")
        super().permit(descriptor, mode, group)

    def synchronise(self, descriptor: int) -> None:
        self._step("synchronise")
        super().synchronise(descriptor)

    def rename(self, source: str, target: str) -> None:
        self._step("rename")
        super().rename(source, target)

    def link(self, source: str, target: str) -> None:
        self._step("link")
        super().link(source, target)

    def remove(self, path: str) -> None:
        self._step("remove")
        super().remove(path)

    def make_folder(self, path: str, mode: int) -> None:
        self._step("make_folder")
        super().make_folder(path, mode)

    def synchronise_folder(self, path: str) -> None:
        self._step("synchronise_folder")
        super().synchronise_folder(path)


class FailingFileSystem(_Stepping):
    """Raises `OSError(error)` at step number `at`, counted from 1; a write fails when half of it is done."""

    def __init__(self, at: int, error: int = errno.ENOSPC) -> None:
        super().__init__(at)
        self.error = error

    def fail(self, name: str) -> None:
        """Raise."""
        raise OSError(self.error, os.strerror(self.error))


class KillingFileSystem(_Stepping):
    """Kills its own process (SIGKILL) before step number `at`: for use in a child process."""

    def fail(self, name: str) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)
