"""Entries in memory, for as long as the program runs. Threads may share it; a change replaces the whole snapshot."""

from __future__ import annotations

import threading

from tlsocket.pki.stores.errors import EntryNotFound
from tlsocket.pki.stores.layers import Plan, Put, PutPending, Record, Remove, Snapshot
from tlsocket.pki.stores.layers import RemovePending as _RemovePending

__all__ = ["MemoryLayer"]


class MemoryLayer:
    """A layer that is a dictionary."""

    writable = True

    def __init__(self) -> None:
        self.place = "memory"
        self._lock = threading.Lock()
        # Replaced, never changed: a reader takes the tuple once and needs no lock.
        self._state: tuple[int, Snapshot, dict[str, bytes], dict[str, bytes]] = (0, Snapshot({}), {}, {})

    def exists(self) -> bool:
        """Always."""
        return True

    def check_writable(self) -> None:
        """Always."""

    def snapshot(self) -> Snapshot:
        """Everything."""
        return self._state[1]

    def record(self, thumbprint: str) -> Record | None:
        """One entry."""
        return self._state[1].records.get(thumbprint)

    def generation(self) -> int:
        """How many changes there were."""
        return self._state[0]

    def change(self, plan: Plan) -> None:
        """All or nothing."""
        from dataclasses import replace

        with self._lock:
            generation, snapshot, old_keys, old_pending = self._state
            changes = plan(snapshot)
            if not changes:
                return
            records, keys, pending = dict(snapshot.records), dict(old_keys), dict(old_pending)
            for change in changes:
                if isinstance(change, Put):
                    thumbprint = change.record.thumbprint
                    if change.key is not None:
                        keys[thumbprint] = change.key
                    elif change.pending:
                        keys[thumbprint] = pending.pop(change.pending)
                    records[thumbprint] = replace(change.record, has_key=thumbprint in keys)
                elif isinstance(change, Remove):
                    records.pop(change.thumbprint, None)
                    keys.pop(change.thumbprint, None)
                elif isinstance(change, PutPending):
                    pending[change.identifier] = change.key
                elif isinstance(change, _RemovePending):
                    pending.pop(change.identifier, None)
            self._state = (generation + 1, Snapshot(records, frozenset(pending)), keys, pending)

    def read_key(self, thumbprint: str) -> bytes:
        """The key as it is kept."""
        return _present(self._state[2].get(thumbprint))

    def read_pending(self, identifier: str) -> bytes:
        """A waiting key."""
        return _present(self._state[3].get(identifier))


def _present(key: bytes | None) -> bytes:
    if key is None:
        raise EntryNotFound("there is no such private key in memory any more", "add the entry anew")
    return key
