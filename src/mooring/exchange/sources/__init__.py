"""Where data is imported from, one module or folder each."""
