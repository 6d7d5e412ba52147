"""The running interpreter's `ssl`, read name by name: what ours lacks, or takes otherwise, has a reason here.

`test_names` says what the names mean. A reason that is needed no more fails too.
"""

from __future__ import annotations

import enum
import inspect
import ssl
import warnings
from typing import Any

import pytest

import tlsocket

MISSING = {
    "_Enum": "an import of the module's own",
    "_IntEnum": "an import of the module's own",
    "_IntFlag": "an import of the module's own",
    "_simple_enum": "an import of the module's own",
    "_GLOBAL_DEFAULT_TIMEOUT": "an import of the module's own",
    "_SSLv2_IF_EXISTS": "about a protocol that is nowhere any more",
    "_sslcopydoc": "a decorator that the module copies docstrings with",
    "enum_certificates": "of Windows: the platform's trust is read by tlsocket.pki there",
    "enum_crls": "of Windows: the platform's trust is read by tlsocket.pki there",
}
"""Names of the module."""

MISSING_MEMBERS = {
    "SSLContext._wrap_socket": "makes OpenSSL's object, which is not there: wrap_socket",
    "SSLContext._wrap_bio": "makes OpenSSL's object, which is not there: wrap_bio",
}
OTHER_PARAMETERS = {
    "SSLSocket.sendmsg": "works here, so it has the parameters of socket.socket's; ssl's takes anything and refuses",
    "SSLSocket._real_close": "takes what any version of socket.socket gives it",
    "SSLContext.set_ciphers": "its parameter can be given by position only, so its name is nobody's business",
}
CLASSES = ("SSLContext", "SSLSocket", "SSLObject", "SSLSession", "MemoryBIO")


def module_names() -> list[str]:
    return [name for name in dir(ssl) if not name.startswith("__")]


def members() -> list[tuple[str, str]]:
    return [
        (owner, name)
        for owner in CLASSES
        for name in dir(getattr(ssl, owner))
        if not name.startswith("__") and not hasattr(object, name)
    ]


def parameters(function: Any) -> list[tuple[str, Any, bool]] | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # of C, without a signature
    return [
        # As methods of C have it, `self` can be given by position only.
        (each.name, each.kind if each.name != "self" else each.POSITIONAL_ONLY, each.default is each.empty)
        for each in signature.parameters.values()
    ]


@pytest.mark.parametrize("name", module_names())
def test_name_is_there_or_has_a_reason(name: str) -> None:
    assert hasattr(tlsocket, name) is (name not in MISSING)


def test_names_that_the_interpreter_has_not_are_attribute_errors_as_there() -> None:
    """What old versions had (`wrap_socket`, `match_hostname`) is there where `ssl` has it, and only there."""
    for name in ("wrap_socket", "match_hostname", "RAND_pseudo_bytes", "RAND_egd"):
        assert hasattr(tlsocket, name) is hasattr(ssl, name)


@pytest.mark.parametrize(("owner", "name"), members())
def test_member_is_there_as_the_same_kind_or_has_a_reason(owner: str, name: str) -> None:
    ours, theirs = (inspect.getattr_static(getattr(module, owner), name, None) for module in (tlsocket, ssl))
    if f"{owner}.{name}" in MISSING_MEMBERS:
        assert ours is None
        return
    assert ours is not None
    if inspect.isdatadescriptor(theirs):
        assert inspect.isdatadescriptor(ours)
        if isinstance(theirs, property) and isinstance(ours, property):
            assert (theirs.fset is None) <= (ours.fset is None)
    elif callable(theirs):
        assert callable(ours)


@pytest.mark.parametrize(("owner", "name"), members())
def test_method_takes_the_same_parameters_or_has_a_reason(owner: str, name: str) -> None:
    if f"{owner}.{name}" in MISSING_MEMBERS:
        return
    ours, theirs = (parameters(getattr(getattr(module, owner), name)) for module in (tlsocket, ssl))
    if theirs is not None and not inspect.isclass(getattr(getattr(ssl, owner), name)):
        assert (ours == theirs) is (f"{owner}.{name}" not in OTHER_PARAMETERS), (ours, theirs)


@pytest.mark.parametrize("name", [name for name in module_names() if inspect.isfunction(getattr(ssl, name))])
def test_function_takes_the_same_parameters(name: str) -> None:
    if name not in MISSING:
        assert parameters(getattr(tlsocket, name)) == parameters(getattr(ssl, name))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in module_names()
        if inspect.isclass(getattr(ssl, name)) and issubclass(getattr(ssl, name), enum.Enum) and name not in MISSING
    ],
)
def test_enumeration_has_every_member(name: str) -> None:
    theirs = getattr(ssl, name).__members__
    ours = getattr(tlsocket, name).__members__
    assert {key: value.value for key, value in theirs.items()}.items() <= {k: v.value for k, v in ours.items()}.items()


def test_reasons_are_given_and_needed() -> None:
    for reasons in (MISSING, MISSING_MEMBERS, OTHER_PARAMETERS):
        assert all(len(reason) > 15 for reason in reasons.values())
    assert not [name for name in MISSING if hasattr(tlsocket, name)]


# What stands behind the names with an underscore


def test_module_of_c_is_stood_in_for(files: Any) -> None:
    assert tlsocket._ssl._SSLContext is tlsocket.SSLContext
    assert tlsocket._ssl.MemoryBIO is ssl.MemoryBIO
    assert tlsocket._ssl._test_decode_cert(files.certificate) == ssl._ssl._test_decode_cert(files.certificate)  # type: ignore[attr-defined]
    with pytest.raises(ssl.SSLError):
        tlsocket._ssl._test_decode_cert(files.key)


def test_host_flags_say_whether_a_common_name_counts(module: Any) -> None:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    for flags in (0x24, 0x4, 0x24):
        context._host_flags = flags
        assert context._host_flags == flags
        assert context.hostname_checks_common_name is (flags == 0x4)


def test_protocols_as_they_go_over_the_wire() -> None:
    context = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    context._set_alpn_protocols(b"\x02h2\x08http/1.1")
    assert context._alpn == (b"h2", b"http/1.1")
    for damaged in (b"\x00", b"\x03h2", b"\x02h2\x01"):
        with pytest.raises(ValueError, match="protocol"):
            context._set_alpn_protocols(damaged)


def test_store_of_windows_is_the_platforms() -> None:
    context = tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT)
    context._load_windows_store_certs("ROOT", tlsocket.Purpose.SERVER_AUTH)
    assert context._platform_trusted


@pytest.mark.skipif(not hasattr(ssl, "wrap_socket"), reason="gone from ssl in Python 3.12")
def test_wrapping_without_a_context_warns_and_works(module: Any, files: Any) -> None:
    from tests.dropin.support import Background, tcp_pair

    near, far = tcp_pair()
    with pytest.warns(DeprecationWarning, match="ssl.wrap_socket"), pytest.raises(ValueError, match="certfile"):
        module.wrap_socket(near, keyfile=files.key)
    with pytest.warns(DeprecationWarning, match="ssl.wrap_socket"), pytest.raises(ValueError, match="server-side"):
        module.wrap_socket(near, server_side=True)

    def wrap(sock: Any, **arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module.wrap_socket(sock, ssl_version=module.PROTOCOL_TLS, **arguments)

    server = Background(lambda: wrap(far, server_side=True, certfile=files.certificate, keyfile=files.key))
    with wrap(near, ciphers="ECDHE+AESGCM", ca_certs=files.authority, cert_reqs=ssl.CERT_REQUIRED) as client:
        with server.result() as accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"
            assert client.getpeercert()
