"""One small module for each tracker: how it opens a run, logs, closes, and is read back."""
