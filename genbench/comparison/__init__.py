"""Compare results: which may be compared, the difference of two subjects, leaderboards and gates."""
