"""Interoperability: our connections with programs that we did not write, in both roles, on loopback only.

`programs` runs a peer with bounded waits, `servers` and `clients` know each peer's arguments and report, `face` is our
side, `cells` the names of keys, suites and groups. What a single peer is worth in detail is in the tests themselves.
"""
