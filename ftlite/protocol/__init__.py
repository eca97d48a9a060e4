"""Bytes to events and back, for both ends. Pure: no trio, no files, no sockets, no clock."""
