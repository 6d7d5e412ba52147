"""What `load_verify_locations` and its relatives collect: trust anchors, with the errors of `ssl`.

The set is replaced, never changed: a connection that was made with the old one keeps it. Where anchors come from and
how they are read is `tlsocket.pki.trust.anchors`'s part; whether a chain is believed, `tlsocket.pki.trust.verifier`'s.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tlsocket.dropin.exceptions import ssl_error, translate_load_error
from tlsocket.dropin.stores import roots
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der, certificate_dict
from tlsocket.pki.errors import FileUnavailable, PkiError, WrongContent
from tlsocket.pki.keys import read_source
from tlsocket.pki.names.comparison import is_self_issued
from tlsocket.pki.revocation import RevocationLists
from tlsocket.pki.trust.anchors import TrustAnchors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, StrOrBytesPath

__all__ = ["TrustSettings"]

_LIST_HEADERS = (b"-----BEGIN X509 CRL-----", b"-----BEGIN CRL-----")
_BASIC_CONSTRAINTS = "2.5.29.19"


class TrustSettings:
    """The trust anchors of one context."""

    __slots__ = ("_anchors", "_lists")

    def __init__(self) -> None:
        self._anchors = TrustAnchors()
        self._lists = RevocationLists()

    def copy(self) -> TrustSettings:
        """The same anchors and lists, to be added to."""
        twin = TrustSettings()
        twin._anchors, twin._lists = self._anchors, self._lists
        return twin

    def anchors(self) -> TrustAnchors:
        """Those collected so far."""
        return self._anchors

    def lists(self) -> RevocationLists:
        """Revocation lists collected so far."""
        return self._lists

    def load(
        self,
        cafile: StrOrBytesPath | None,
        capath: StrOrBytesPath | None,
        cadata: str | ReadableBuffer | None,
    ) -> None:
        """Add those of a file, a folder, and text or bytes. Nothing is added when one of them is wrong."""
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        anchors, lists = self._anchors, self._lists
        if cadata is not None:
            anchors |= _from_data(cadata)
        if cafile is not None:
            more_anchors, more_lists = _from_file(cafile)
            anchors |= more_anchors
            lists |= more_lists
        if capath is not None:
            more_anchors, more_lists = _from_folder(capath)
            anchors |= more_anchors
            lists |= more_lists
        self._anchors, self._lists = anchors, lists

    def load_platform(self) -> None:
        """Add the platform's, and what the user's and the machine's ROOT stores hold."""
        self._anchors |= TrustAnchors.platform()
        more = roots()
        if more is not None:
            self._anchors |= more

    def authorities(self, binary_form: bool) -> list[Any]:
        """The certificates that are authorities', as DER or as dictionaries."""
        return [
            certificate_der(certificate) if binary_form else certificate_dict(certificate)
            for certificate in self._anchors
            if _is_authority(certificate)
        ]


def _from_file(cafile: StrOrBytesPath) -> tuple[TrustAnchors, RevocationLists]:
    if not isinstance(cafile, (str, bytes, os.PathLike)):
        raise TypeError("cafile should be a valid filesystem path")
    path = os.fsdecode(cafile)
    try:
        lists = _lists_of(path)
        # A file of lists alone is as good to `ssl` as one of certificates.
        anchors = TrustAnchors() if len(lists) and not _holds_certificate(cafile) else TrustAnchors.load(path)
        return anchors, lists
    except WrongContent as error:
        if _holds_certificate(cafile):
            raise translate_load_error(error) from error
        raise ssl_error("NO_CERTIFICATE_OR_CRL_FOUND", str(error), library="X509", number=136) from error
    except PkiError as error:
        raise translate_load_error(error) from error


def _lists_of(path: str) -> RevocationLists:
    """The revocation lists among a file's PEM blocks."""
    data, _ = read_source(path, "file of trusted certificates")
    return RevocationLists.load(data) if any(label in data for label in _LIST_HEADERS) else RevocationLists()


def _holds_certificate(cafile: StrOrBytesPath) -> bool:
    """Whether a file means to hold a certificate: then it is damaged, and not merely the wrong file."""
    try:
        with open(cafile, "rb") as file:
            return b"CERTIFICATE-----" in file.read()
    except OSError:
        return False


def _from_folder(capath: StrOrBytesPath) -> tuple[TrustAnchors, RevocationLists]:
    if not isinstance(capath, (str, bytes, os.PathLike)):
        raise TypeError("capath should be a valid filesystem path")
    path = os.fsdecode(capath)
    try:
        anchors = TrustAnchors.load_folder(path)
    except FileUnavailable as error:
        # `ssl` takes any path here and looks into it later; programs pass folders that exist on some systems only.
        # The folder is named where it matters, when a certificate turns out not to be trusted.
        return TrustAnchors(origin=f"{error.source} (which could not be read)"), RevocationLists()
    lists = RevocationLists()
    for name in sorted(os.listdir(path)):
        try:
            lists |= _lists_of(os.path.join(path, name))
        except PkiError:
            continue  # as with certificates: one bad file must not take away the others
    return anchors, lists


def _from_data(cadata: str | ReadableBuffer) -> TrustAnchors:
    if isinstance(cadata, str):
        if not cadata.isascii():
            raise TypeError("cadata should be an ASCII string or a bytes-like object")
        data = cadata.encode("ascii")
        complaint = "no start line: cadata does not contain a certificate"
    else:
        try:
            data = bytes(memoryview(cadata))
        except TypeError:
            raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
        complaint = "not enough data: cadata does not contain a certificate"
    if not data:
        raise ValueError("Empty certificate data")
    # Bytes that are neither would be taken for a path.
    if data[:1] == b"\x30" or b"-----BEGIN " in data:
        try:
            return TrustAnchors.load(data)
        except WrongContent as error:
            raise ssl_error(None, f"{complaint} ({error})", library=None, number=0) from error
    raise ssl_error(None, complaint, library=None, number=0)


def _is_authority(certificate: Any) -> bool:
    """Whether OpenSSL would count it: basicConstraints say so, or it is too old to have any."""
    try:
        for extension in certificate.extensions:
            if extension.oid.dotted_string == _BASIC_CONSTRAINTS:
                return bool(extension.value.ca)
    except PARSE_ERRORS:
        return False
    return bool(certificate.version.value == 0 and is_self_issued(certificate_der(certificate)))
