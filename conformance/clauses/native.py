"""The native dialect of ftlite, docs/protocol.md of this project."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("docs/protocol.md s.2", "offered in FEAT, switched on by OPTS, ended by USER, REIN, AUTH and PROT"),
    Clause("docs/protocol.md s.3", "data connections: their line, proof, greeting, order and end"),
    Clause("docs/protocol.md s.4", "tags, facts and replies"),
    Clause("docs/protocol.md s.4 GET", "downloads, from an offset, of a version, with a digest of the whole"),
    Clause(
        "docs/protocol.md s.4 PUT and DONE", "uploads that are published when both sides agree, and go on after a cut"
    ),
    Clause("docs/protocol.md s.4 LIST, NLST, MLSD", "listings over a tag's connection"),
    Clause("docs/protocol.md s.4 HASH", "digests"),
    Clause("docs/protocol.md s.4 ABOR", "the end of one transfer"),
    Clause("docs/protocol.md s.4 WAIT", "until something is published, or its producer has failed"),
    Clause("docs/protocol.md s.5", "trees: published, replaced and merged as a whole"),
    Clause(
        "docs/protocol.md s.5 Refused",
        "hostile and broken archives",
        "too-much: an archive beyond the limits would take too long here",
    ),
    Clause("docs/protocol.md s.5 Going on", "trees that go on after a cut"),
    Clause("docs/protocol.md s.6", "what a tag goes through", "judged by what is seen of it in s.3 and s.4"),
    Clause("docs/protocol.md s.7", "limits", "settings of the server; its own tests see them bite"),
    Clause("docs/protocol.md s.8", "WAIT for stock clients"),
)
