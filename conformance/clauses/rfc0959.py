"""RFC 959, File Transfer Protocol."""

from conformance.clauses import Clause

CLAUSES = (Clause("RFC 959 s.4.1.1", "access control: USER, PASS, ACCT, CWD, CDUP, SMNT, REIN, QUIT"),)
