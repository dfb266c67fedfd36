"""Teli's API, one file a resource. Each operation turns a call into a reply, or raises a Refusal."""
