"""Names and places of stores: which there are, and where on this system they are kept.

The names are those of Windows and .NET (MY, CA, ROOT, ...), the places those of the XDG base directory specification
and of the file system hierarchy. No certificate is read and nothing is made here.
"""

from __future__ import annotations

import enum
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tlsocket.crypto.randomness import random_bytes
from tlsocket.pki.stores.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BLOCKED_FOLDERS",
    "MACHINE_FOLDER",
    "OpenMode",
    "StoreLocation",
    "StoreName",
    "any_store_exists",
    "store_name",
    "trusted_folders",
    "user_folder",
]

MACHINE_FOLDER = "/etc/tlsocket"
"""Where the machine's stores are kept, in the folder `stores` (tests put another in its place)."""

BLOCKED_FOLDERS = (
    "/etc/pki/ca-trust/source/blocklist",
    "/etc/pki/ca-trust/source/blacklist",
    "/usr/share/pki/ca-trust-source/blocklist",
)
"""Where p11-kit (Fedora, RHEL, SUSE) keeps what the administrator or the distribution blocked."""

# Not compiled here: the first look for a store would pay for it, and few name one of their own.
_CUSTOM_NAME = r"[A-Z0-9][A-Z0-9 _.\-]{0,62}"


class StoreName(enum.StrEnum):
    """The stores with a role of their own; any other name may be used as text, such as "SPC"."""

    MY = "MY"
    """One's own certificates, with their private keys."""
    CA = "CA"
    """Intermediate authorities: they help to build paths and are not trusted by themselves."""
    ROOT = "ROOT"
    """Trusted authorities."""
    TRUSTED_PEOPLE = "TRUSTED_PEOPLE"
    """End-entity certificates that are trusted themselves."""
    DISALLOWED = "DISALLOWED"
    """What is never trusted, whatever else says so."""


class OpenMode(enum.Flag):
    """How a store is opened; combined with `|`."""

    READ_ONLY = 0
    READ_WRITE = 1
    """Opening fails when this user cannot write the store."""
    MAXIMUM_ALLOWED = 2
    """Opening always works; writing works where the system permits it."""
    EXISTING_ONLY = 4
    """Opening fails when the store has never been written."""
    INCLUDE_ARCHIVED = 8
    """Archived entries are listed and found too."""


def store_name(name: StoreName | str) -> str:
    """The name in capitals, as it names the store's folder. Raises `StoreError` for what can be no name."""
    text = (name.value if isinstance(name, StoreName) else str(name)).upper().strip()
    text = {"TRUSTEDPEOPLE": "TRUSTED_PEOPLE", "TRUSTED-PEOPLE": "TRUSTED_PEOPLE", "PERSONAL": "MY"}.get(text, text)
    if not re.fullmatch(_CUSTOM_NAME, text):
        raise StoreError(
            f"{str(name)!r:.80} cannot be the name of a store",
            "use MY, CA, ROOT, TRUSTED_PEOPLE, DISALLOWED, or up to 63 letters, digits, blanks, '_', '.' and '-'",
        )
    return text


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where stores are: the current user's, the machine's, in memory, in a folder, or in a PKCS #12 file."""

    kind: str
    """`user`, `machine`, `memory`, `folder` or `pkcs12`."""
    path: str = ""
    arena: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    CURRENT_USER: ClassVar[StoreLocation]
    """The XDG data folder of the user that runs the program."""
    LOCAL_MACHINE: ClassVar[StoreLocation]
    """`/etc/tlsocket`, with the platform's own certificates beneath it."""
    MEMORY: ClassVar[StoreLocation]
    """Nowhere: each store opened there is new and goes with its object."""

    @classmethod
    def folder(cls, path: str | os.PathLike[str]) -> StoreLocation:
        """A folder, with a subfolder for each store."""
        return cls("folder", os.path.abspath(path))

    @classmethod
    def pkcs12(cls, path: str | os.PathLike[str]) -> StoreLocation:
        """A PKCS #12 file, which is one store whatever name it is opened under."""
        return cls("pkcs12", os.path.abspath(path))

    @classmethod
    def memory(cls) -> StoreLocation:
        """A place in memory of its own, whose stores of one name are the same as long as it lives."""
        return cls("memory", f"memory:{random_bytes(4).hex()}", {})

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | StoreLocation) -> StoreLocation:
        """`user`, `machine`, `memory`, the path of a `.p12` or `.pfx` file, or that of a folder."""
        if isinstance(text, StoreLocation):
            return text
        path = os.fspath(text)
        named = {"user": cls.CURRENT_USER, "machine": cls.LOCAL_MACHINE, "memory": cls.MEMORY}
        if path in named:
            return named[path]
        if not path:
            raise StoreError("an empty text is no location", "use user, machine, a folder, or a .p12 file")
        is_file = path.lower().endswith((".p12", ".pfx")) and not os.path.isdir(path)
        return cls.pkcs12(path) if is_file or os.path.isfile(path) else cls.folder(path)

    @classmethod
    def for_this_process(cls) -> StoreLocation:
        """The current user's, but the machine's for a service and for a user without a home of its own."""
        return cls.LOCAL_MACHINE if _is_service() or _home() is None else cls.CURRENT_USER

    @classmethod
    def of_trust(cls) -> StoreLocation:
        """Where everything that this process trusts is seen: the user's stores, which inherit the machine's.

        A user without a home has the machine's alone.
        """
        return cls.LOCAL_MACHINE if cls.CURRENT_USER.base() is None else cls.CURRENT_USER

    def base(self) -> Path | None:
        """The folder above the stores' folders; None where there is none (memory, a file, a user without a home)."""
        return _as_path(self._base())

    def _base(self) -> str | None:
        if self.kind == "folder":
            return self.path
        if self.kind == "machine":
            return os.path.join(MACHINE_FOLDER, "stores")
        if self.kind == "user":
            folder = _user_folder()
            return None if folder is None else os.path.join(folder, "stores")
        return None

    def existing_stores(self) -> tuple[str, ...]:
        """The names of the stores that were ever written in this folder; none of a file or of memory."""
        base = self._base()
        if base is None:
            return ()
        try:
            names = sorted(os.listdir(base))
        except OSError:
            # Whoever opens a store there is told what is wrong.
            return ()
        named = (name for name in names if re.fullmatch(_CUSTOM_NAME, name))
        folders = [name for name in named if os.path.isdir(os.path.join(base, name))]
        # Authorities are kept beside the stores of a folder.
        beside = self.authorities()
        return tuple(name for name in folders if beside is None or os.path.join(base, name) != str(beside))

    def authorities(self) -> Path | None:
        """The folder of the authorities that are kept here; None where there can be none (memory, a file)."""
        stores = self.base()
        if stores is None:
            return None
        return (stores if self.kind == "folder" else stores.parent) / "authorities"

    def __str__(self) -> str:
        return self.path or self.kind


StoreLocation.CURRENT_USER = StoreLocation("user")
StoreLocation.LOCAL_MACHINE = StoreLocation("machine")
StoreLocation.MEMORY = StoreLocation("memory")


def any_store_exists(*names: str) -> bool:
    """Whether the user, the machine or the system has one of these stores: a cheap look before more is loaded."""
    if any(os.path.lexists(os.path.join(folder, name)) for folder in trusted_folders() for name in names):
        return True
    return "DISALLOWED" in names and any(os.path.isdir(folder) for folder in BLOCKED_FOLDERS)


def trusted_folders() -> list[str]:
    """The folders above the user's stores and above the machine's, which need not exist."""
    # Text, here and below: every first context of a process comes by, and `pathlib` takes a millisecond to load.
    bases = [place._base() for place in (StoreLocation.CURRENT_USER, StoreLocation.LOCAL_MACHINE)]
    return [base for base in bases if base is not None]


def user_folder() -> Path | None:
    """This user's data folder for all that `tlsocket` keeps: `$XDG_DATA_HOME/tlsocket`; None without a home."""
    return _as_path(_user_folder())


def _user_folder() -> str | None:
    configured = os.environ.get("XDG_DATA_HOME", "")
    # The specification: a relative path is to be ignored.
    if os.path.isabs(configured):
        return os.path.join(configured, "tlsocket")
    home = _home()
    return None if home is None else os.path.join(home, ".local", "share", "tlsocket")


def _as_path(text: str | None) -> Path | None:
    from pathlib import Path

    return None if text is None else Path(text)


def _home() -> str | None:
    """This user's home, if there is one and it is this user's.

    A home of somebody else (`sudo` with the caller's environment) would get files that its owner cannot read.
    """
    candidate = os.environ.get("HOME") or _account_home()
    if not candidate or not os.path.isabs(candidate) or candidate == "/":
        return None
    try:
        status = os.stat(candidate)
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return None
    return candidate


def _account_home() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_dir
    except (ImportError, KeyError):
        return os.path.expanduser("~") if os.name == "nt" else ""


def _is_service() -> bool:
    """Whether the service manager of the system started this process, or one above it.

    systemd gives what it starts an INVOCATION_ID, but so does a user's own manager, and a user's shell may inherit it;
    a user's session has a runtime folder as well.
    """
    environment = os.environ
    started = "INVOCATION_ID" in environment or "JOURNAL_STREAM" in environment or "NOTIFY_SOCKET" in environment
    return started and "XDG_RUNTIME_DIR" not in environment
