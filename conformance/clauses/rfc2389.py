"""RFC 2389, FEAT and OPTS."""

from conformance.clauses import Clause

CLAUSES = (
    Clause("RFC 2389 s.2", "who knows FEAT knows OPTS"),
    Clause("RFC 2389 s.2.1", "verbs in any case"),
    Clause("RFC 2389 s.2.2", "a reply's lines may hold any characters that a reply can", "a freedom, not a duty"),
    Clause("RFC 2389 s.3", "FEAT"),
    Clause("RFC 2389 s.3.1", "FEAT takes no argument"),
    Clause("RFC 2389 s.3.2", "211, a feature on each line after one blank; what is listed is there"),
    Clause("RFC 2389 s.3.3", "why", "reasons, not duties"),
    Clause("RFC 2389 s.4.1", "OPTS takes the command whose option is set"),
    Clause("RFC 2389 s.4.2", "200 when the option is taken, 451 or 501 when not"),
    Clause("draft-ietf-ftpext-utf-8-option", "OPTS UTF8 ON, a draft that many clients still send"),
)
