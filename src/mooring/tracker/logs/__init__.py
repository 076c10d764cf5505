"""Log files: what a tracker also writes to files and standard output, and their readers."""
