"""Numbergate: phone numbers bought once, never lost, never over quota, every charge explained."""

__version__ = "0.1.0"
