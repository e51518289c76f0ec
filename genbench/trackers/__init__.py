"""Trackers: where people already keep their numbers, each through its own client library."""
