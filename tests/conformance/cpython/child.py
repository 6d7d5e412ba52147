"""One module of the interpreter's `test` package in a process of its own, with `ssl` replaced before it is imported.

The parent gives a file descriptor that gets one line of JSON when a test starts and one when it ends, so that the
parent knows what was under way when a test hangs or the process dies. Not here: time limits and verdicts (`runner`).
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
import types
import unittest
from importlib import import_module
from typing import Any

NO_RESOURCES = ("network", "urlfetch", "gui", "audio", "curses", "largefile", "tzdata")
"""What these tests need is not there: the internet, above all."""


def replace_ssl(which: str) -> None:
    """Put `tlsocket`, or for comparison a copy of the standard library's names, in the place of `ssl`."""
    if which == "ssl":
        return
    if which == "tlsocket":
        import tlsocket

        for name in dir(tlsocket):
            getattr(tlsocket, name)  # so that `vars(ssl)` is whole
        module: types.ModuleType = tlsocket
        sys.modules["_ssl"] = tlsocket._ssl
    else:
        import ssl

        module = types.ModuleType("ssl_copy")
        module.__dict__.update({name: value for name, value in vars(ssl).items() if not name.startswith("__")})
    early = sorted(name for name, each in sys.modules.items() if _took_ssl(name, each))
    if early:
        raise RuntimeError(f"imported `ssl` before it was replaced: {', '.join(early)}")
    sys.modules["ssl"] = module


def _took_ssl(name: str, module: Any) -> bool:
    """Whether a module of the standard library holds the `ssl` that is to be replaced."""
    there = getattr(module, "__dict__", {})
    return there.get("ssl") is sys.modules.get("ssl", 0) and not name.startswith(("tlsocket", "tests.", "__main__"))


class Recorder(unittest.TestResult):
    """Writes what happens, as it happens."""

    def __init__(self, output: int) -> None:
        super().__init__()
        self._output = output
        self._worst: tuple[str, str] = ("pass", "")

    def note(self, event: str, test: str, outcome: str = "", text: str = "") -> None:
        """One line for the parent."""
        line = json.dumps({"event": event, "test": test, "outcome": outcome, "text": text[-6000:]})
        os.write(self._output, line.encode() + b"\n")

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._worst = ("pass", "")
        self.note("start", test.id())

    def stopTest(self, test: Any) -> None:
        super().stopTest(test)
        self.note("end", test.id(), *self._worst)

    def _bad(self, test: Any, outcome: str, err: Any) -> None:
        text = "".join(traceback.format_exception(*err))
        if isinstance(test, unittest.TestCase):
            self._worst = (outcome, text)
        else:  # a class or module that could not be set up
            self.note("end", test.id(), outcome, text)

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._bad(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._bad(test, "fail", err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(test, "fail", err)

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self._worst = ("skip", reason)

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._worst = ("fail", "unexpected success")


def cases(suite: Any) -> list[unittest.TestCase]:
    """The tests in a suite, flat, in their order."""
    if isinstance(suite, unittest.TestCase):
        return [suite]
    return [case for each in suite for case in cases(each)]


def main(arguments: list[str]) -> int:
    """Play what the parent asks for: which module for `ssl`, which tests, what to leave out."""
    faulthandler.enable()
    order = json.loads(arguments[0])
    output: int = order["output"]
    replace_ssl(order["with"])
    support: Any = import_module("test.support")
    support.verbose = 0
    names = [*support.use_resources] if getattr(support, "use_resources", None) else _resources()
    support.use_resources = {name: None for name in names if name not in NO_RESOURCES}
    recorder = Recorder(output)
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{order['module']}")
    except unittest.SkipTest as skipped:
        recorder.note("end", f"test.{order['module']}", "skip", str(skipped))
        return 0
    done = set(order["done"])
    only = set(order["only"])
    wanted = [case for case in cases(suite) if case.id() not in done and (not only or only & set(_names(case.id())))]
    recorder.note("plan", order["module"], str(len(wanted)))
    unittest.TestSuite(wanted).run(recorder)
    recorder.note("finished", order["module"])
    return 0


def _names(identity: str) -> list[str]:
    """What a test can be called on the command line: all of its name, its class and name, its name."""
    parts = identity.split(".")
    return [identity, ".".join(parts[-2:]), parts[-1], parts[-2]]


def _resources() -> list[str]:
    return ["cpu", "walltime", "subprocess", "decimal", "extralargefile"]


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a thread that a failed test left behind shall not keep the process
