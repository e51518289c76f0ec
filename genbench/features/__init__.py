"""Features: the rows that an extractor computes from samples, and statistics of them, in memory and in files."""
