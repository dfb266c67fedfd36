"""A Teli of our own: the same HTTP, separate truths, and faults on demand.

It stands alone: nothing else of `service` is imported here, so an error in the gateway's reading of Teli's API cannot
be repeated by the simulator that should catch it. What it imitates and how it is steered: docs/simulator.md.
"""
