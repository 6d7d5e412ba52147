"""The code of the manual's pages on names and requests runs, and prints what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tlsocket.pki.names import Dialect, DistinguishedName
from tlsocket.pki.names.attributes import attribute_type, keyword, keyword_oid

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "src" / "tlsocket" / "manual"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> list[tuple[str, str]]:
    text = (MANUAL / page).read_text(encoding="utf-8")
    found = EXAMPLE.findall(text)
    assert len(found) == text.count("```python"), "an example without its output"
    return found


EXAMPLES = [(page, *example) for page in ("names.md", "requests.md", "authority.md") for example in examples(page)]


@pytest.mark.parametrize(("page", "code", "output"), EXAMPLES, ids=[page for page, *_ in EXAMPLES])
def test_an_example_prints_what_the_page_says(page: str, code: str, output: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == output


def test_the_table_of_attributes_is_true() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| (`[^|]+) \| (`[^|]+) \| ([^|]*)\|$", (MANUAL / "names.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 16
    for read, written, bound in rows:
        oids = {keyword_oid(word) for word in re.findall(r"`([^`]+)`", read)}
        assert len(oids) == 1, read
        oid = oids.pop()
        assert oid is not None
        words = re.findall(r"`([^`]+)`", written)
        spelt = words if len(words) == 3 else words * 3
        assert [keyword(oid, dialect) for dialect in (Dialect.RFC4514, Dialect.WINDOWS, Dialect.OPENSSL)] == spelt
        known = attribute_type(oid)
        assert known is not None
        assert known.upper_bound == (int(bound.split()[-1]) if bound.strip() else None)


def test_the_table_of_dialects_is_true() -> None:
    rows = re.findall(r"^\| `Dialect\.(\w+)`[^|]*\| `(.+?)` \| (last first|as encoded) \|$",
                      (MANUAL / "names.md").read_text(), re.MULTILINE)  # fmt: skip
    assert {name for name, *_ in rows} == {dialect.name for dialect in Dialect}
    for name, text, order in rows:
        parsed = DistinguishedName.parse(text, Dialect[name])
        assert parsed.format(Dialect[name]) == text
        assert Dialect[name].is_reversed == (order == "last first")
