"""Guarded ways to read files, one per format: damage, hostility and size end in one line that names the file."""
