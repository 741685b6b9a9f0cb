"""A budget and a corpus -> what to train, what it will cost, and the arithmetic behind each number.

Start at `planner.plan`. `budget` reads "10m" or "50usd" and chooses; `memory` and `count` predict; `throughput`
measures; `doctor` reads a finished recipe and says what will hurt.
"""
