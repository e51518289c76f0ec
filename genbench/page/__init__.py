"""The HTML and Markdown report: one page for a folder of results."""
