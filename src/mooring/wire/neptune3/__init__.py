"""Messages of Neptune 3's clients: bytes to model, without any input or output."""
