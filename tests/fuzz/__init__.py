"""Fuzz targets: `python -m tests.fuzz --help`; what each holds against the library is in the README beside this."""
