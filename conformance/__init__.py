"""Do servers and clients keep the letter of the FTP RFCs? Imports nothing from ftlite, so that it can judge all alike.

`python -m conformance server ftp://user:password@host:port`. A chapter is a file in `chapters/` whose cases register
themselves; adding a file there adds a chapter. `wire` is the control connection, `data` the data connections, `place` a
directory of a case's own on the server, `clauses` the table of what there is to keep.
"""
