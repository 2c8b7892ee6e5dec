"""Pattern 1, checkpoint-and-resume: bodies, journals, replay, commits, workers."""
