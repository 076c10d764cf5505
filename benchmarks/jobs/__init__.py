"""What only Mooring is asked to do: each module is a process of its own."""
