"""Formulas of the lecture as code, each with a known answer."""
