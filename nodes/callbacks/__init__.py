"""Who is told of runs, and what runs see of themselves: handlers, listeners and run managers."""
