"""W&B's transaction logs (`run-ID.wandb`), as the source reads them and the target reads back."""
