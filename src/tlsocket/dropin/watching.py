"""The thread behind `SSLContext.watch`: it looks for changed files and reloads the context.

What is reloaded, and how the files are told apart, is `reloading`'s.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref

from tlsocket.dropin.reloading import Reloading, Stamp

__all__ = ["Watch"]

_log = logging.getLogger("tlsocket")


class Watch:
    """A thread that reloads a context; `stop()` or leaving a `with` block ends it, and so does the context's end."""

    def __init__(self, context: Reloading, interval: float) -> None:
        self.interval = interval
        self._context = weakref.ref(context)
        self._stopped = threading.Event()
        self._complained_of: dict[str, Stamp] | None = None
        _watches.add(self)
        self._start()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop watching; a reload that is under way is waited for."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, args=(self._stopped,), name="tlsocket watch", daemon=True)
        self._thread.start()

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self.interval):
            context = self._context()
            if context is None:
                return
            self._look(context)
            del context

    def _look(self, context: Reloading) -> None:
        seen = context._present_stamps()
        try:
            changed = context.reload()
        except Exception as error:
            # A watch must survive whatever a half-written file brings. The same files are complained of once.
            if seen != self._complained_of:
                self._complained_of = seen
                reason = " ".join(str(error).split())
                _log.warning("not reloaded, what was loaded before stays: %s: %s", type(error).__name__, reason)
            return
        self._complained_of = None
        if changed:
            _log.info("reloaded %s", ", ".join(changed))


_watches: weakref.WeakSet[Watch] = weakref.WeakSet()


def _watch_in_child() -> None:
    """A fork copies no threads, and the event may have been copied locked."""
    for watch in list(_watches):
        if not watch._stopped.is_set():
            watch._stopped = threading.Event()
            watch._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_watch_in_child)
