"""All servers judged by the conformance suite, each in clear and over TLS; `make conformance` runs it.

    python -m scripts.conformance DIRECTORY [NAME ...]

Results go to DIRECTORY as NAME-TLS.json, the form of `python -m conformance server --json`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from conformance.server import Result, run, sum_up
from conformance.wire import Target, TlsMode
from tests.peers.certificate import Certificate, make_certificate
from tests.peers.servers import CONFORMANCE, Tls

_PATIENCE = 6.0  #: seconds for a reply; the machine may be busy
_NO_TLS = {"aioftp"}
_DEVIATIONS = Path(__file__).parents[1] / "conformance" / "deviations"


def judge(name: str, certificate: Certificate, tls: Tls) -> list[Result]:
    """Starts the server with an empty directory and runs all cases."""
    mode = TlsMode.EXPLICIT if tls is Tls.EXPLICIT else TlsMode.NONE
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        Path(work).chmod(0o755)  # servers that drop root have to get in
        root = Path(work) / "root"
        root.mkdir()
        with CONFORMANCE[name](root, certificate, tls) as server:
            target = Target(server.host, server.port, server.user, server.password, mode, _PATIENCE, root=root)
            return run(target)


def main(directory: Path, names: list[str]) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conformance-") as work:
        certificate = make_certificate(Path(work))
        for name in names or list(CONFORMANCE):
            for tls in (Tls.OFF, Tls.EXPLICIT):
                if tls is Tls.OFF or name not in _NO_TLS:
                    began = time.monotonic()
                    results = judge(name, certificate, tls)
                    path = directory / f"{name}-{tls.value}.json"
                    path.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n")
                    print(f"{path.stem:20} {time.monotonic() - began:5.0f} s  {sum_up(results)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
