"""Mixed clients, random kills, and what must hold afterwards: ``make soak``, or ``python -m tests.soak [--time N]``."""
