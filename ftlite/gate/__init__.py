"""The gate: a client's path and a user's rights become a `Granted`, a name and a password become a `User`."""
