"""Inputs with exact answers, run through genbench and other tools."""
