"""The handlers, by family. Each is ``async (Call) -> Reply``; `ftlite.server.rows` names them."""
