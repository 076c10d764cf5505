"""What sources share: a run kept in memory, put together from what another tracker logged."""
