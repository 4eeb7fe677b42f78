"""Makes a graph move: plans, frontier, permits, channels, clocks and the drivers."""
