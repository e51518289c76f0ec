"""The metrics, one idea a file: a pure function on arrays and a frozen dataclass that names its options."""
