"""What targets share: values, steps, marks and errors, in forms that other trackers have."""
