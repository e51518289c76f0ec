"""The report: one HTML page and one Markdown file for each benchmark, made from a folder of results."""
