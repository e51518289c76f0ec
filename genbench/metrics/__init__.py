"""The metrics, one idea per file: a pure function of arrays, and a frozen dataclass with its options."""
