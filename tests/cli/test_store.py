"""`tlsocket store`: each command and each rule, in this process, with places that are the test's own."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.support.authority import Made, authority_extensions, leaf_extensions, make
from tests.support.stores import family, isolate
from tlsocket import clock
from tlsocket.cli.root import run
from tlsocket.pki.formats import writing
from tlsocket.pki.formats.contents import Item
from tlsocket.pki.formats.reading import read_contents
from tlsocket.pki.keys import load_private_key, private_key_pem
from tlsocket.pki.stores import CertificateStore, StoreLocation

DAY = 86400
PLAIN_KEY = "BEGIN " + "PRIVATE KEY"


@dataclass
class Said:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def items(self) -> list[dict[str, Any]]:
        """Of its one JSON object."""
        said = json.loads(self.out)
        assert said["schema"] == "tlsocket/1"
        assert set(said) == {"schema", "kind", "items"}
        items = said["items"]
        assert isinstance(items, list)
        return items


Store = Callable[..., Said]


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user, a machine and a system of the test's own; files of a family of certificates in the current folder."""
    folder = tmp_path / "places"
    folder.mkdir()
    isolate(monkeypatch, folder)
    monkeypatch.delenv("TLSOCKET_PASSWORD_FILE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("tlsocket.pki.keys.private_key_pem.__kwdefaults__", {"pss_only": False, "rounds": 1000})
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    made = family()
    server = Item(made.server.certificate, made.server.key, "from the file")
    Path("root.pem").write_bytes(made.root.pem)
    Path("intermediate.pem").write_bytes(made.intermediate.pem)
    Path("server.pem").write_bytes(made.server.pem)
    Path("server.der").write_bytes(made.server.der)
    Path("chain.pem").write_bytes(made.server.pem + made.intermediate.pem)
    Path("with-key.pem").write_bytes(private_key_pem(made.server.key) + made.server.pem + made.intermediate.pem)
    Path("server.p12").write_bytes(writing.pkcs12([server, Item(made.intermediate.certificate)], b"secret"))
    Path("both.p7b").write_bytes(writing.pkcs7([made.server.certificate, made.intermediate.certificate]))
    Path("password.txt").write_text("secret\n")
    Path("wrong.txt").write_text("not it\n")
    return folder


@pytest.fixture
def store(capsysbinary: pytest.CaptureFixture[bytes]) -> Store:
    """Run `tlsocket store`; whatever happens there is no traceback and at most a few lines on standard error."""

    def call(*arguments: str) -> Said:
        status = run(["store", *arguments])
        out, err = capsysbinary.readouterr()
        assert b"Traceback" not in err
        return Said(status, out.decode("utf-8", "replace"), err.decode())

    return call


def my() -> CertificateStore:
    return CertificateStore("MY", StoreLocation.CURRENT_USER)


def thumbprint(made: Made) -> str:
    from tlsocket.pki.stores.layers import thumbprint_of

    return thumbprint_of(made.certificate)


def one_line(said: Said, *words: str) -> None:
    assert said.err.startswith("tlsocket: ")
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err


# --- adding and importing ---


@pytest.mark.parametrize("file", ["server.pem", "server.der", "both.p7b"])
def test_certificates_of_any_form_are_added(store: Store, file: str) -> None:
    said = store("add", file)
    assert said.status == 0
    assert thumbprint(family().server)[:16] in said.out
    assert family().server.certificate in my()


def test_several_files_are_added_all_or_none(store: Store) -> None:
    Path("bad.pem").write_text("no certificate")
    said = store("add", "server.pem", "bad.pem")
    assert said.status == 3
    one_line(said, "bad.pem")
    assert len(my()) == 0
    assert store("add", "server.pem", "root.pem").status == 0
    assert len(my()) == 2


def test_a_certificate_joins_the_key_that_waits_and_keeps_its_issuers(store: Store) -> None:
    my().remember_pending_key(family().server.key)
    said = store("add", "chain.pem", "--json")
    (item,) = said.items
    assert item["has_private_key"] is True
    assert item["chain_length"] == 1
    (entry,) = my()
    assert entry.chain == (family().intermediate.certificate,)
    assert my().pending_keys() == ()


@pytest.mark.parametrize("file", ["with-key.pem", "server.p12"])
def test_what_has_a_key_is_not_added_without_it(store: Store, file: str) -> None:
    said = store("add", file)
    assert said.status == 1
    one_line(said, file, f"tlsocket store import {file}")


def test_one_damaged_certificate_among_good_ones_is_reported(store: Store) -> None:
    damaged = writing.pem_text(family().server.der[:-40])
    Path("mixed.pem").write_bytes(family().root.pem + damaged)
    said = store("add", "mixed.pem", "--store", "ROOT")
    assert said.status == 0
    assert "left out" in said.err
    assert "mixed.pem" in said.err
    assert family().root.certificate in CertificateStore("ROOT", StoreLocation.CURRENT_USER)


def test_a_container_is_imported_with_its_key_and_name(store: Store) -> None:
    said = store("import", "server.p12", "--password-file", "password.txt", "--friendly-name", "web", "--json")
    (item,) = said.items
    assert (said.status, item["friendly_name"], item["has_private_key"]) == (0, "web", True)
    (entry,) = my()
    assert entry.private_key().private_numbers() == family().server.key.private_numbers()  # type: ignore[union-attr]
    assert entry.chain == (family().intermediate.certificate,)


def test_pem_with_a_key_is_imported_without_a_password(store: Store) -> None:
    assert store("import", "with-key.pem").status == 0
    (entry,) = my()
    assert not entry.key_encrypted


def test_a_password_that_nothing_else_needs_encrypts_the_key_at_rest(store: Store) -> None:
    assert store("import", "with-key.pem", "--password-file", "password.txt").status == 0
    (entry,) = my()
    assert entry.key_encrypted
    assert "encrypted" in store("show", "server.example").out


def test_lines_of_a_password_file_answer_in_order(store: Store) -> None:
    Path("two.txt").write_text("secret\nat rest\n")
    assert store("import", "server.p12", "--password-file", "two.txt").status == 0
    (entry,) = my()
    assert entry.key_encrypted
    assert entry.private_key("at rest")


def test_the_environment_names_the_password_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLSOCKET_PASSWORD_FILE", str(Path("password.txt").resolve()))
    assert store("import", "server.p12").status == 0


def test_wrong_and_missing_passwords_name_the_file(store: Store) -> None:
    said = store("import", "server.p12", "--password-file", "wrong.txt")
    assert said.status == 1
    one_line(said, "server.p12", "password")
    said = store("import", "server.p12")
    assert said.status == 2
    one_line(said, "server.p12", "--password-file")
    said = store("import", "server.p12", "--password-file", "nowhere.txt")
    assert said.status == 3
    one_line(said, "nowhere.txt")
    assert len(my()) == 0


def test_a_password_is_no_argument() -> None:
    from tlsocket.cli.store import store as group

    for command in group.commands.values():
        assert not {"--password", "--passphrase"} & {name for each in command.params for name in each.opts}


# --- looking ---


def test_list_is_empty_in_words_and_in_json(store: Store) -> None:
    said = store("list")
    assert (said.status, said.out) == (0, "")
    assert "nothing" in said.err
    assert store("list", "--json").items == []


def test_list_says_what_json_says(store: Store) -> None:
    store("import", "with-key.pem", "--friendly-name", "web")
    said = store("list")
    assert re.search(rf"^{thumbprint(family().server)[:16]} .*web: CN=server.example .*key", said.out, re.MULTILINE)
    (item,) = store("list", "--json").items
    assert item["thumbprint"] == thumbprint(family().server)
    assert item["serial"] == "abc123"
    assert item["dns_names"] == ["server.example", "*.wild.example"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["not_after"])
    assert isinstance(item["days_left"], int)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), 2),
        (("subject=server",), 1),
        (("issuer=test inter",), 1),
        (("dns=a.wild.example",), 1),
        (("purpose=server",), 2),
        (("purpose=client",), 1),
        (("root",), 1),
        (("server", "root"), 0),
        (("nothing-like-it",), 0),
    ],
    ids=str,
)
def test_filters(store: Store, filters: tuple[str, ...], found: int) -> None:
    store("add", "server.pem", "root.pem")
    assert len(store("list", *filters, "--json").items) == found


def test_a_thumbprint_filter_takes_the_first_digits_of_either(store: Store) -> None:
    store("add", "server.pem", "root.pem")
    (entry,) = store("list", f"thumbprint={thumbprint(family().server)[:10].upper()}", "--json").items
    assert entry["thumbprint"] == thumbprint(family().server)


@pytest.mark.parametrize("text", ["colour=blue", "thumbprint=xyz", "purpose=no such purpose"])
def test_a_filter_that_is_none_is_a_usage_error(store: Store, text: str) -> None:
    said = store("list", text)
    assert said.status == 2
    one_line(said)


def aged(days: int, name: str = "soon.example") -> Made:
    return make(name, family().intermediate, leaf_extensions(name), days=days, serial=days + 1)


def test_what_ends_within_thirty_days_is_marked(store: Store) -> None:
    for days in (5, 29, 200):
        my().add(aged(days, f"d{days}.example").certificate)
    lines = store("list").out.splitlines()
    assert [bool(re.search(r"! \d{4}-", line)) for line in lines if "example" in line] == [False, True, True]
    assert "! in 4 days" in store("show", "d5.example").out
    assert [item["subject"] for item in store("list", "--expiring", "10", "--json").items] == ["CN=d5.example"]


@pytest.mark.parametrize("columns", [40, 59, 60, 76, 80, 200])
def test_tables_fit_the_terminal_and_keep_the_mark(store: Store, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    entry = my().add(aged(5, "a-rather-long-name-of-a-host.department.example.org").certificate)
    my().update(entry, friendly_name="a name that people gave it")
    my().distrust(entry)
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in ("list", "check"):
        out = store(command).out
        assert max(map(len, out.splitlines())) <= columns
        assert "!" in out
    assert "2" in re.findall(r"! (\d)", store("list").out)


def test_no_colour_where_there_is_no_terminal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    my().add(aged(5).certificate)
    assert "\x1b" not in store("list").out
    # What a terminal would be told, with NO_COLOR set: no colours.
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;33m" in store("list").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "33m" not in store("list").out


def test_show_says_everything(store: Store) -> None:
    store("import", "with-key.pem", "--friendly-name", "web")
    out = store("show", "web").out
    for words in ("web", "CN=server.example", "Test Intermediate", "abc123", "*.wild.example", "ECDSA P-256",
                  thumbprint(family().server), "kept with it", "server", "MY in "):  # fmt: skip
        assert words in out
    (item,) = store("show", "web", "--json").items
    assert item["distrusted"] is False


def test_names_of_strangers_cannot_move_the_cursor(store: Store) -> None:
    my().add(make("evil\x1b[2Jname", None, authority_extensions()).certificate)
    assert "\x1b" not in store("list").out
    assert "\x1b" not in store("show", thumbprint_of_only_entry()).out


def thumbprint_of_only_entry() -> str:
    (entry,) = my()
    return entry.thumbprint


# --- which entry ---


def test_an_entry_is_named_in_three_ways(store: Store) -> None:
    store("import", "with-key.pem", "--friendly-name", "web")
    for name in (thumbprint(family().server)[:8], "WEB", "server.example", "x.wild.example"):
        assert store("show", name, "--json").items[0]["friendly_name"] == "web"


def test_seven_digits_are_too_few(store: Store) -> None:
    store("add", "server.pem")
    said = store("show", thumbprint(family().server)[:7])
    assert said.status == 1
    one_line(said, "8 digits")


def test_what_means_several_entries_lists_them(store: Store) -> None:
    old, new = aged(5, "twice.example"), aged(200, "twice.example")
    my().add_range([old.certificate, new.certificate])
    said = store("show", "twice.example")
    assert said.status == 2
    first, *candidates = said.err.splitlines()
    assert first.startswith("tlsocket: 'twice.example' means 2 entries")
    assert len(candidates) == 2
    for made in (old, new):
        assert any(thumbprint(made)[:16] in line for line in candidates)


# --- exporting ---


def exported(store: Store, form: str, *more: str) -> bytes:
    said = store("export", "web", "--format", form, "-o", f"out.{form}", *more)
    assert said.status == 0, said.err
    return Path(f"out.{form}").read_bytes()


@pytest.fixture
def web(store: Store) -> None:
    """An entry called web, with its key and an issuer."""
    assert store("import", "with-key.pem", "--friendly-name", "web").status == 0


@pytest.mark.usefixtures("web")
def test_pem_on_standard_output_is_one_text(store: Store) -> None:
    said = store("export", "web", "--format", "pem")
    assert said.out.encode() == family().server.pem
    assert store("export", "web", "--format", "pem", "--chain").out.count("BEGIN CERTIFICATE") == 2


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout + done.stderr


@pytest.mark.usefixtures("web")
def test_openssl_reads_pem_der_p7b_and_p12(store: Store) -> None:
    exported(store, "pem", "--with-key")
    exported(store, "der")
    exported(store, "p7b", "--chain")
    exported(store, "p12", "--with-key", "--chain", "--password-file", "password.txt")
    assert "CN" in openssl("x509", "-in", "out.pem", "-noout", "-subject")
    assert "PRIVATE KEY" in openssl("pkey", "-in", "out.pem")
    assert "server.example" in openssl("x509", "-inform", "der", "-in", "out.der", "-noout", "-subject")
    assert openssl("pkcs7", "-inform", "der", "-in", "out.p7b", "-print_certs", "-noout").count("subject=") == 2
    shown = openssl("pkcs12", "-in", "out.p12", "-passin", "file:password.txt", "-nodes")
    assert shown.count("BEGIN CERTIFICATE") == 2
    assert PLAIN_KEY in shown
    assert "friendlyName: web" in shown
    key, certificate, _ = pkcs12.load_key_and_certificates(Path("out.p12").read_bytes(), b"secret")
    assert key is not None
    assert certificate == family().server.certificate


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("password", ["changeit", "another one"])
def test_java_reads_a_trust_store(store: Store, password: str) -> None:
    Path("java.txt").write_text(password)
    more = () if password == "changeit" else ("--password-file", "java.txt")
    exported(store, "jks", "--chain", *more)
    done = subprocess.run(
        ["keytool", "-list", "-rfc", "-keystore", "out.jks", "-storepass:file", "java.txt"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("trustedCertEntry") == 2
    assert "Alias name: web" in done.stdout
    assert "contains 2 entries" in done.stdout


@pytest.mark.usefixtures("web")
def test_files_with_keys_are_private_and_nothing_is_overwritten(store: Store) -> None:
    exported(store, "pem", "--with-key")
    assert stat.S_IMODE(os.stat("out.pem").st_mode) == 0o600
    before = Path("out.pem").read_bytes()
    said = store("export", "web", "--format", "pem", "-o", "out.pem")
    assert said.status == 1
    one_line(said, "out.pem", "--force")
    assert Path("out.pem").read_bytes() == before
    assert exported(store, "pem", "--force") == family().server.pem
    assert stat.S_IMODE(os.stat("out.pem").st_mode) == 0o644


@pytest.mark.usefixtures("web")
def test_a_pem_key_is_encrypted_when_a_password_is_left_for_it(store: Store) -> None:
    assert PLAIN_KEY.encode() in exported(store, "pem", "--with-key")
    data = exported(store, "pem", "--with-key", "--force", "--password-file", "password.txt")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in data
    assert load_private_key(data, "secret")


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["der", "--chain", "-o", "x"], "--chain"),
        (["der", "--with-key", "-o", "x"], "--with-key"),
        (["jks", "--with-key", "-o", "x"], "--with-key"),
        (["p12"], "-o"),
        (["p12", "--with-key", "-o", "x"], "--password-file"),
        (["pem", "--json"], "-o"),
        (["gif", "-o", "x"], "gif"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_does_not_go_together_is_a_usage_error(store: Store, arguments: list[str], words: str) -> None:
    said = store("export", "web", "--format", *arguments)
    assert said.status == 2
    one_line(said, words)
    assert not Path("x").exists()


@pytest.mark.usefixtures("web")
def test_the_chain_is_completed_from_the_ca_store(store: Store) -> None:
    my().remove(family().server.certificate)
    my().add(family().server.certificate, friendly_name="web")
    assert exported(store, "pem", "--chain").count(b"BEGIN") == 1
    assert store("add", "intermediate.pem", "--store", "CA").status == 0
    assert exported(store, "pem", "--chain", "--force") == Path("chain.pem").read_bytes()


@pytest.mark.usefixtures("web")
def test_json_tells_what_was_written(store: Store) -> None:
    said = store("export", "web", "--format", "p7b", "--chain", "-o", "x.p7b", "--json")
    (item,) = said.items
    assert (item["path"], item["certificates"], item["bytes"]) == ("x.p7b", 2, Path("x.p7b").stat().st_size)


# --- removing and distrusting ---


@pytest.mark.usefixtures("web")
def test_remove_says_what_it_removes_first_and_asks(store: Store) -> None:
    said = store("remove", "web")
    assert said.status == 2
    assert "CN=server.example, with its private key" in said.err.splitlines()[0]
    assert "--yes" in said.err
    assert len(my()) == 1
    said = store("remove", "web", "--yes")
    assert said.status == 0
    assert "CN=server.example" in said.err
    assert len(my()) == 0


@pytest.mark.usefixtures("web")
def test_an_inherited_entry_cannot_be_removed_here(store: Store) -> None:
    assert store("add", "root.pem", "--store", "ROOT", "--location", "machine").status == 0
    said = store("remove", "Test Root", "--store", "ROOT", "--yes")
    assert said.status == 1
    assert "tlsocket: the entry" in said.err.splitlines()[-1]


@pytest.mark.usefixtures("web")
def test_distrust_and_trust(store: Store) -> None:
    assert store("distrust", "web").status == 0
    assert "! distrusted" in store("list").out
    assert "! distrusted" in store("show", "web").out
    assert store("show", "web", "--json").items[0]["distrusted"] is True
    assert store("list", "--store", "DISALLOWED", "--json").items[0]["friendly_name"] == "web"
    assert "distrusted" in store("check").out
    assert store("trust", "web").status == 0
    assert "distrusted" not in store("list").out
    assert store("trust", "web").status == 1


@pytest.mark.usefixtures("web")
def test_distrust_looks_in_all_stores_unless_one_is_named(store: Store) -> None:
    store("add", "root.pem", "--store", "ROOT")
    assert store("distrust", "Test Root", "--store", "MY").status == 1
    assert store("distrust", "Test Root").status == 0
    assert len(store("list", "--store", "DISALLOWED", "--json").items) == 1


# --- checking ---


def test_check_of_nothing_is_fine(store: Store) -> None:
    assert store("check").status == 0


def test_check_tells_cron_what_is_due(store: Store) -> None:
    my().add(aged(200, "fine.example").certificate)
    said = store("check", "--within", "30d")
    assert said.status == 0
    assert "nothing is due: 1 entry" in said.out
    my().add(aged(20, "soon.example").certificate)
    said = store("check")
    assert said.status == 1
    assert "soon.example" in said.out
    assert "fine.example" not in said.out
    assert store("check", "--within", "10d").status == 0
    assert store("check", "--within", "4w").status == 1
    assert store("check", "--within", "36h").status == 0
    (item,) = store("check", "--json").items
    assert (item["reason"], item["store"], item["certificate"]["subject"]) == ("expiring", "MY", "CN=soon.example")


def test_check_looks_at_all_stores_but_not_at_what_is_inherited(store: Store) -> None:
    CertificateStore("SPC", StoreLocation.CURRENT_USER).add(aged(5, "spc.example").certificate)
    CertificateStore("ROOT", StoreLocation.LOCAL_MACHINE).add(
        make("old", None, authority_extensions(), days=3).certificate
    )
    CertificateStore("DISALLOWED", StoreLocation.CURRENT_USER).add(aged(5, "no.example").certificate)
    assert [item["store"] for item in store("check", "--json").items] == ["SPC"]
    assert store("check", "--location", "machine").status == 1


def test_a_clock_before_the_certificates_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store("add", "server.pem")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now - 3 * DAY)
    said = store("check")
    assert said.status == 1
    assert "clock" in said.out
    assert "not yet" in store("list").out
    assert "clock" in store("show", "server.example").out
    assert store("list", "--json").items[0]["status"] == "not yet valid"


def test_what_has_expired(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store("add", "server.pem")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + 40 * DAY)
    assert store("check", "--json").items[0]["reason"] == "expired"
    assert "past" in store("list").out
    assert "expired 10 days ago" in store("show", "server.example").out


@pytest.mark.parametrize("text", ["", "soon", "-1d", "30m", "30 d x"])
def test_a_time_that_is_none_is_a_usage_error(store: Store, text: str) -> None:
    assert store("check", "--within", text).status == 2


# --- what is wrong with the place ---


def place(name: str = "MY") -> Path:
    base = StoreLocation.CURRENT_USER.base()
    assert base is not None
    return base / name


@pytest.mark.usefixtures("web")
def test_a_broken_entry_among_good_ones_is_reported_and_can_be_removed(store: Store) -> None:
    store("add", "root.pem")
    broken = place() / f"{thumbprint(family().root)}.pem"
    broken.write_bytes(broken.read_bytes()[:-100])
    said = store("list")
    assert said.status == 0
    assert "CN=server.example" in said.out
    one_line(said, str(broken))
    said = store("check", "--json")
    assert said.status == 1
    assert [item["reason"] for item in said.items if item["what"] == str(broken)] == ["broken"]
    assert store("remove", thumbprint(family().root)[:12], "--yes").status == 0
    assert store("list").err == ""


@pytest.mark.usefixtures("web")
def test_a_key_that_others_can_read_is_due_and_refused(store: Store) -> None:
    key = place() / f"{thumbprint(family().server)}.key"
    key.chmod(0o644)
    (item,) = store("check", "--within", "0d", "--json").items
    assert (item["reason"], item["what"]) == ("unsafe", str(key))
    assert "chmod" in item["remedy"]
    said = store("export", "web", "--format", "pem", "--with-key", "-o", "x.pem")
    assert said.status == 1
    one_line(said, str(key), "chmod")
    assert not Path("x.pem").exists()


def test_a_folder_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    place().parent.mkdir(parents=True, mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    place().symlink_to(tmp_path / "elsewhere")
    for arguments in (("list",), ("add", "server.pem")):
        said = store(*arguments)
        assert said.status == 3
        one_line(said, str(place()), "link")
    assert store("check").status == 1


def test_a_store_that_is_a_file_is_refused(store: Store) -> None:
    place().parent.mkdir(parents=True, mode=0o700)
    place().write_text("")
    said = store("add", "server.pem")
    assert said.status == 3
    one_line(said, str(place()))


def test_a_full_disk_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from tlsocket.pki import files

    store("add", "root.pem")

    class Full(files.FileSystem):
        def write(self, descriptor: int, data: memoryview) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "system", Full())
    said = store("import", "with-key.pem")
    assert said.status == 3
    one_line(said, "no space left")
    said = store("export", "Test Root", "--format", "pem", "-o", "x.pem")
    assert said.status == 3
    one_line(said, "x.pem")
    assert not Path("x.pem").exists()
    monkeypatch.undo()


def test_what_was_named_must_be_there_to_be_read(store: Store) -> None:
    said = store("list", "--location", "nowhere")
    assert said.status == 3
    one_line(said, "nowhere", "--location")
    said = store("list", "--store", "MYY")
    assert said.status == 3
    one_line(said, "MYY")
    assert store("list", "--store", "../MY").status == 2
    assert store("list", "--location", "").status == 2


def test_a_folder_and_a_file_are_locations(store: Store) -> None:
    assert store("import", "with-key.pem", "--location", "folder", "--friendly-name", "web").status == 0
    assert [item["friendly_name"] for item in store("list", "--location", "folder", "--json").items] == ["web"]
    said = store("list", "--location", "server.p12", "--password-file", "password.txt", "--json")
    assert len(said.items) == 2
    assert store("list", "--location", "server.p12", "--password-file", "wrong.txt").status == 1
    said = store("add", "root.pem", "--location", "new.p12", "--password-file", "password.txt")
    assert said.status == 0, said.err
    assert read_contents("new.p12", b"secret").certificates == (family().root.certificate,)


def test_keys_are_refused_where_there_are_none(store: Store) -> None:
    assert store("import", "with-key.pem", "--store", "ROOT").status == 0
    assert not any(item["has_private_key"] for item in store("list", "--store", "ROOT", "--json").items)


# --- grants ---


@pytest.mark.usefixtures("web")
def test_a_key_of_a_user_is_granted_to_nobody(store: Store) -> None:
    said = store("grant", "web", "--group", str(os.getgid()))
    assert said.status == 1
    one_line(said, "--location machine")


def test_a_machines_key_is_granted_to_a_group(store: Store) -> None:
    assert store("import", "with-key.pem", "--location", "machine", "--friendly-name", "web").status == 0
    said = store("grant", "web", "--group", "no-such-group-here", "--location", "machine")
    assert said.status == 1
    one_line(said, "no-such-group-here", "groupadd")
    said = store("grant", "web", "--group", "12345", "--location", "machine")
    base = StoreLocation.LOCAL_MACHINE.base()
    assert base is not None
    status = os.stat(base / "MY" / f"{thumbprint(family().server)}.key")
    if os.geteuid() == 0:
        assert said.status == 0, said.err
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, 12345)
        assert store("check", "--location", "machine", "--within", "0d").status == 0
    else:
        # Only root can hand a key to a group; anybody else is told which command root has to run.
        assert said.status == 1
        one_line(said, "chown root")
        assert stat.S_IMODE(status.st_mode) == 0o600
