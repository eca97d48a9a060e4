"""A scripted, sometimes hostile server that judges FTP clients. Imports nothing from ftlite.

`python -m conformance client --recipe curl`, or `... client --get 'mine {url} {local}'`. A chapter is a file in
`chapters/` whose cases register themselves. Each case runs the client's command once against a server of its own on
loopback, and judges what was said on the wire, the exit code, and what is on the disk afterwards.
"""
