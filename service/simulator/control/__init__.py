"""The control interface: arm faults, turn switches, read the truths. Loopback only, on a socket of its own."""
