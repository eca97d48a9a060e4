"""RFC 2389, FEAT and OPTS."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("RFC 2389 s.2.1", "the characters of which replies are made", "judged with the list of features, s.3.2"),
    Clause("RFC 2389 s.3", "FEAT"),
    Clause("RFC 2389 s.3.1", "FEAT in any case"),
    Clause(
        "RFC 2389 s.3.2", "FEAT takes no argument; 211, a feature on each line after one blank; all of them, no other"
    ),
    Clause("RFC 2389 s.3.3", "why", "reasons, not duties"),
    Clause("RFC 2389 s.4", "OPTS is there with FEAT; 200 when an option is taken, 451 or 501 when not"),
    Clause("draft-ietf-ftpext-utf-8-option", "OPTS UTF8 ON, a draft that many clients still send"),
)
