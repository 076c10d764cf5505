"""TensorBoard's event files, as the source reads them and the target reads them back."""
