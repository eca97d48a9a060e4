"""The native dialect of the client (docs/protocol.md): one port, many transfers at once, each proven by its digest."""
