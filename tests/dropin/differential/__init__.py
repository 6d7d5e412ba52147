"""Random scripts of calls, played on `ssl` and on ours: `python -m tests.dropin.differential --help`."""
