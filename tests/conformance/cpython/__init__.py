"""CPython's own tests of `ssl`, and of what the standard library builds on it, played against ours.

`python -m tests.conformance.cpython` is the runner. No test of CPython is in this folder: they come from the `test`
package of the interpreter that runs them.
"""
