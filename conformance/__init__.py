"""Does a server keep the letter of the FTP RFCs? Imports nothing from ftlite, so that it can judge any server alike.

`python -m conformance server ftp://user:password@host:port`. A chapter is a file in `chapters/` whose cases register
themselves; adding a file there adds a chapter.
"""
