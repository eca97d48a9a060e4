"""What an administrator can say: frozen models with validators and units, and their loading."""
