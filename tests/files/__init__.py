"""Tests of genbench/files."""
