"""Wire and file formats of other systems: one folder a protocol, bytes to model and back, no IO."""
