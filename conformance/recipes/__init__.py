"""How known clients are called, and a small client around ftplib."""
