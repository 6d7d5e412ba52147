"""Looks into a built wheel and sdist: the wheel holds no source of C, the sdist all that a build needs.

Run as `python tests/support/distributions.py FOLDER` by .ci/run, which builds them. It builds nothing itself.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

__all__ = ["main", "sdist_problems", "wheel_problems"]

SOURCE_SUFFIXES = (".c", ".h", ".pyx", ".pxd", ".pxi")
SDIST_NEEDS = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "_ext/record.pyx", "tests/conftest.py", "Makefile")
WHEEL_NEEDS = ("tlsocket/py.typed", "tlsocket/_record.pyi", "tlsocket/manual/index.md")


def wheel_problems(names: list[str]) -> list[str]:
    """What is wrong with a wheel of these files."""
    problems = [f"holds {name}" for name in names if name.endswith(SOURCE_SUFFIXES)]
    problems += [f"holds {name}, which is not the package" for name in names if not name.startswith("tlsocket")]
    problems += [f"lacks {name}" for name in WHEEL_NEEDS if name not in names]
    if not any(name.startswith("tlsocket/_record.") and name.endswith(".so") for name in names):
        problems.append("lacks the compiled extension")
    return problems


def sdist_problems(names: list[str]) -> list[str]:
    """What is wrong with an sdist of these files."""
    inside = {name.partition("/")[2] for name in names}
    problems = [f"lacks {name}" for name in SDIST_NEEDS if name not in inside]
    problems += [f"holds {name}, which is generated" for name in inside if name.endswith((".c", ".so"))]
    return problems


def main(folder: str) -> int:
    """Check the one wheel and the one sdist in `folder`; 0 when nothing is wrong."""
    (wheel,) = Path(folder).glob("*.whl")
    (sdist,) = Path(folder).glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        problems = [f"{wheel.name} {problem}" for problem in wheel_problems(archive.namelist())]
    with tarfile.open(sdist) as tar:
        problems += [f"{sdist.name} {problem}" for problem in sdist_problems(tar.getnames())]
    for problem in problems:
        print(problem)
    print(f"{wheel.name} and {sdist.name}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
