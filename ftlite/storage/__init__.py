"""Where bytes rest: parts, seal, publish, digests, listings. Nothing here knows of sockets, sessions or trio."""
