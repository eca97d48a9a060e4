"""The handlers of tagged commands (docs/protocol.md s.4). Each is ``async (Tagged) -> Reply``; the rows name them."""
