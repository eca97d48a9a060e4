"""ftlite beside vsftpd and pyftpdlib, all in one run: `python -m benchmarks`. Only the ratios travel."""
