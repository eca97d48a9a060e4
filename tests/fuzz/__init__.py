"""Fuzzing the parsers of `ftlite.protocol`: ``python -m tests.fuzz TARGET [--seconds N]``.

A target takes any bytes and raises nothing; what it raises is a finding. With atheris installed the search is guided by
coverage, without it seeds are mutated at random. `tests/fuzz/test_targets.py` runs every target for a bounded while.
"""
