"""What data is exported to, one module or folder each."""
