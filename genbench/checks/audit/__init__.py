"""The audit of metrics: known faults are put into data, and each score must see those that it is meant to see."""
