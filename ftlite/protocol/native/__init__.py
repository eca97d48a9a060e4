"""The native dialect's lines and tables, for both ends; docs/protocol.md is the text, and clause numbers are its."""
