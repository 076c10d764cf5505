"""The resource API of the Auger Hub: one table of resources, its messages and rules. No IO."""
