"""What the MLflow source and target share: the client, and the marks of our loads."""
