"""Extractors: pretrained networks, small classifiers, raw values, and users' networks."""
