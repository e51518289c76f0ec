"""Checks of samples (inspect) and of the instrument itself (selftest)."""
