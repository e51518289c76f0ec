"""The lecture's mathematics as code with known answers."""
