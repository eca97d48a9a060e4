"""The doctor, against servers that are ill in one way each."""
