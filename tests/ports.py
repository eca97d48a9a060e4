"""Ports that nobody is given by chance: from below the range that the system hands out for outgoing connections."""

from __future__ import annotations

import os
import random
import socket

HERE = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000

# Not the test's own generator, which hypothesis and others seed alike in every process.
_dice = random.Random(os.urandom(16))


def free_ports(count: int = 1) -> int:
    """The first of `count` neighbouring ports that were free a moment ago, and that no client gets by itself."""
    for _ in range(500):
        first = _dice.randrange(_FIRST, _LAST - count)
        taken = [socket.socket() for _ in range(count)]
        try:
            for number, sock in enumerate(taken):
                sock.bind((HERE, first + number))
            return first
        except OSError:
            continue
        finally:
            for sock in taken:
                sock.close()
    raise AssertionError("no free neighbouring ports")
