"""Declares the compiled record layer, `tlsocket._record`. Everything else is said in pyproject.toml.

With TLSOCKET_STRICT_BUILD=1 (the Makefile and CI set it) warnings of Cython and of the C compiler are errors. It is not
the default, so that a compiler which warns of more than ours does not keep anybody from installing.
"""

import os
import sysconfig

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

STRICT = os.environ.get("TLSOCKET_STRICT_BUILD") == "1"
# Python's own headers, which warn from 3.13 on, count as the system's: their warnings are not ours.
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-isystem", sysconfig.get_path("include")]

Options.warning_errors = STRICT
record = Extension("tlsocket._record", ["_ext/record.pyx"], extra_compile_args=["-O3", *(WARNINGS if STRICT else [])])
setup(
    ext_modules=cythonize(
        [record], build_dir="build/cython", include_path=["_ext"], compiler_directives={"language_level": 3}
    )
)
