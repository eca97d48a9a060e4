"""Fuzzing of every parser and of whole sessions: ``make fuzz``, or ``python -m tests.fuzz [TARGET...] [--time N]``.

A target takes any bytes and raises nothing; what it raises is a finding. With atheris installed the search is guided by
coverage, without it seeds are mutated at random. What was found is kept in ``tests/fuzz/corpus/TARGET/``, and tried
again by `tests/fuzz/test_targets.py`, which also runs every target for a bounded while.
"""
