"""Training, sampling and scoring of many models, and the folder that a run writes and reads."""
