"""BoGo, the protocol test suite of BoringSSL, against this library: `python -m tests.conformance.bogo --help`.

The README beside this file says what runs where. Nothing of the suite itself is here.
"""
