"""Train, sample and score many models, and keep the files of each trial in a run folder."""
