"""Reference models, trained from scratch: guests that happen to live in the same repository."""
