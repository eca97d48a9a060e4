"""Sockets and TLS: everything that turns an address into a connected wire. Knows no verb."""
