"""The cases, a file each for one part of a chapter; the registry imports every file here in the order of names."""
