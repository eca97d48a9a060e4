"""`python -m conformance server URL` judges a server, `python -m conformance client -- COMMAND` a client.

Exit 0: no MUST fails beyond the deviations; 1: one does; 2: wrong usage; 3: the other side cannot be reached.
"""

from __future__ import annotations

import argparse
import sys

from conformance import server
from conformance.client import face as client
from conformance.client import truth


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description="Judge FTP servers and clients.")
    faces = parser.add_subparsers(required=True)
    server.add_face(faces)
    client.add_face(faces)
    truth.add_face(faces)
    given = parser.parse_args(arguments)
    return int(given.face(given))


if __name__ == "__main__":
    sys.exit(main())
