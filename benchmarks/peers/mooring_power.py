"""Mooring with a sync of the disk for every call: it survives a power cut."""

from benchmarks.peers.mooring_run import MooringRun
from benchmarks.peers.protocol import serve


class MooringPower(MooringRun):
    """`Run(durability="power")`."""

    durability = "power"


if __name__ == "__main__":
    serve(MooringPower())
