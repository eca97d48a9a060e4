"""How known clients are called, a TOML file each, and a small client around ftplib.

`[clear]` and `[tls]` hold a command for each deed: `get`, `put`, `list`, `tree`, `resume` and, under TLS, `trust`; what
is missing is not judged. `[environment]` and `[files]` (in the client's home directory) hold what the commands need,
`version` a command that prints one. Everywhere `{url}` and its like are replaced; `python -m conformance client --help`
lists them. TLS commands must insist on it, and trust `{cacert}` and nothing else.
"""
