"""Real FTP servers as peers: each starts on 127.0.0.1 inside a context manager and is surely gone after it.

Empty on purpose: `python -m tests.peers.install` runs before anything is installed.
"""
