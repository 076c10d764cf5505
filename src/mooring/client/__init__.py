"""Talking to a hub: tokens, transport, spool, and `HubClient`."""
