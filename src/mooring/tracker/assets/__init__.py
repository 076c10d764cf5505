"""Assets: any Python object, kept with the run that logged it."""
