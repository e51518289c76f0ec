"""Features: the rows that an extractor computes from samples, and their statistics, in memory and in files."""
