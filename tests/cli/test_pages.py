"""MISSION row 21: the commands of the overview and of the reference do what the pages say, typed in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.pages import Shell, blocks


@pytest.mark.parametrize("page", ["security-overview.md", "commands-pki.md"])
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    try:
        for block in blocks(page):
            for line in block:
                done = shell.type(line)
                assert "Traceback" not in done.stderr
    finally:
        shell.close()


def test_every_answer_of_the_overview_has_a_command() -> None:
    from tests.cli.pages import MANUAL

    text = (MANUAL / "security-overview.md").read_text(encoding="utf-8")
    answers = text.split("\n## ")[1:]
    assert len(answers) >= 6
    assert [answer.splitlines()[0] for answer in answers if "```sh" not in answer] == []
