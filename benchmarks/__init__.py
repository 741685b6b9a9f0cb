"""Speed and memory, always as ratios of two things measured in turn in one process; never as timed tests."""
