"""Plugs: the contracts that guests fulfil, the registry of names, and the way from a text or object to a plug."""
