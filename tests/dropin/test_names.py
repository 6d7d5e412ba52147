"""Every public name of `ssl` is there, and means the same."""

from __future__ import annotations

import inspect
import socket
import ssl

import pytest

import tlsocket
import tlsocket.dropin
from tests.dropin.support import Files, server_context

REMOVED = {"match_hostname", "wrap_socket", "RAND_pseudo_bytes", "RAND_egd"}
"""Gone from `ssl` in Python 3.12, and never in ours."""
LEAKED = {"namedtuple"}
"""What `ssl` imported for itself."""

STDLIB_NAMES = sorted(
    name
    for name in dir(ssl)
    if not name.startswith("_") and not inspect.ismodule(getattr(ssl, name)) and name not in REMOVED | LEAKED
)
OWN_VALUES = {
    "CHANNEL_BINDING_TYPES", "OPENSSL_VERSION", "OPENSSL_VERSION_INFO", "OPENSSL_VERSION_NUMBER", "HAS_PSK", "HAS_PHA",
    "HAS_TLSv1", "HAS_TLSv1_1", "HAS_TLSv1_2", "HAS_PSK_TLS13",
}  # fmt: skip


@pytest.mark.parametrize("name", STDLIB_NAMES)
def test_every_public_name_of_ssl_is_there(name: str) -> None:
    theirs, ours = getattr(ssl, name), getattr(tlsocket, name)
    assert name in tlsocket.__all__
    if name.isupper() or name.startswith(("HAS_", "OP_", "PROTOCOL_")):
        assert type(ours) is type(theirs)
        assert name in OWN_VALUES or ours == theirs


@pytest.mark.parametrize("name", [name for name in STDLIB_NAMES if inspect.isclass(getattr(ssl, name))])
def test_classes_are_the_stdlibs_or_stand_in_for_them(name: str) -> None:
    if name in ("SSLContext", "SSLSocket", "SSLObject", "SSLSession"):
        assert getattr(tlsocket, name) is not getattr(ssl, name)
    else:
        assert getattr(tlsocket, name) is getattr(ssl, name)


@pytest.mark.parametrize("class_name", ["SSLContext", "SSLSocket", "SSLObject", "SSLSession"])
def test_every_public_member_of_the_classes_is_there(class_name: str) -> None:
    theirs = {name for name in dir(getattr(ssl, class_name)) if not name.startswith("_")}
    assert theirs <= set(dir(getattr(tlsocket, class_name)))


@pytest.mark.parametrize(
    ("class_name", "method"),
    [
        (class_name, name)
        for class_name in ("SSLContext", "SSLSocket", "SSLObject")
        for name, member in vars(getattr(ssl, class_name)).items()
        if inspect.isfunction(member) and not name.startswith("_")
        if name != "sendmsg"  # which works here, and takes what that of `socket.socket` takes
    ],
)
def test_methods_take_the_arguments_that_ssl_takes(class_name: str, method: str) -> None:
    def shape(owner: type) -> list[tuple[str, object]]:
        parameters = inspect.signature(inspect.getattr_static(owner, method)).parameters.values()
        return [
            (parameter.name, parameter.default) for parameter in parameters if parameter.kind != parameter.VAR_KEYWORD
        ]

    assert shape(getattr(tlsocket, class_name)) == shape(getattr(ssl, class_name))


def test_functions_take_the_arguments_that_ssl_takes() -> None:
    for name in ("create_default_context", "_create_unverified_context", "get_default_verify_paths"):
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (tlsocket, ssl))
        assert [(p.name, p.kind, p.default) for p in ours.values()] == [
            (p.name, p.kind, p.default) for p in theirs.values()
        ]
    assert list(inspect.signature(tlsocket.get_server_certificate).parameters) == list(
        inspect.signature(ssl.get_server_certificate).parameters
    )


def test_export_list_is_the_faces_and_the_cores() -> None:
    core = {
        "ClientAuthentication",
        "ClientConfig",
        "Connection",
        "Credential",
        "InstallReport",
        "OPENSSL_VERSION",
        "OPENSSL_VERSION_INFO",
        "OPENSSL_VERSION_NUMBER",
        "ServerConfig",
        "TLSError",
        "install",
        "uninstall",
        "__version__",
    }
    assert set(tlsocket.__all__) == set(tlsocket.dropin.__all__) | core
    assert len(tlsocket.__all__) == len(set(tlsocket.__all__))
    assert set(tlsocket.__all__) <= set(dir(tlsocket))


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tlsocket.nonsense


def test_version_information_names_the_openssl_that_works_here() -> None:
    assert tlsocket.OPENSSL_VERSION.startswith("OpenSSL ")
    major, minor, fix, patch, status = tlsocket.OPENSSL_VERSION_INFO
    packed = major << 28 | minor << 20 | fix << 12 | patch << 4 | status
    assert packed == tlsocket.OPENSSL_VERSION_NUMBER
    assert tlsocket.OPENSSL_VERSION_INFO >= (3, 0, 0, 0, 0)


def test_random_bytes_come_in_the_number_asked_for() -> None:
    assert len(tlsocket.RAND_bytes(32)) == 32
    assert tlsocket.RAND_bytes(16) != tlsocket.RAND_bytes(16)
    assert tlsocket.RAND_status() is True
    tlsocket.RAND_add("more", 1.0)
    with pytest.raises(ValueError, match="num must be positive"):
        tlsocket.RAND_bytes(-1)


def test_default_verify_paths_name_files_that_exist() -> None:
    ours, theirs = tlsocket.get_default_verify_paths(), ssl.get_default_verify_paths()
    assert ours[2:] == theirs[2:]
    assert ours.cafile == theirs.cafile or theirs.cafile is None


def test_objects_of_either_module_are_instances_for_the_other(files: Files) -> None:
    contexts = {module: server_context(module, files) for module in (ssl, tlsocket)}
    for context in contexts.values():
        bio = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
        with socket.socket() as plain, context.wrap_socket(plain, server_side=True) as wrapped:
            for module in (ssl, tlsocket):
                assert isinstance(context, module.SSLContext)
                assert isinstance(bio, module.SSLObject)
                assert isinstance(wrapped, module.SSLSocket)
                assert not isinstance(plain, module.SSLSocket)
                assert not isinstance(context, module.SSLObject)


def test_class_that_derives_from_ours_takes_no_objects_of_others() -> None:
    class Mine(tlsocket.SSLContext):
        pass

    assert isinstance(Mine(tlsocket.PROTOCOL_TLS_CLIENT), Mine)
    assert not isinstance(tlsocket.SSLContext(tlsocket.PROTOCOL_TLS_CLIENT), Mine)
    assert not isinstance(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Mine)


def test_context_of_the_standard_library_cannot_take_over_a_connection_of_ours(files: Files) -> None:
    ours = server_context(tlsocket, files).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    with pytest.raises(TypeError, match="SSLContext"):
        ours.context = server_context(ssl, files)
