"""Where runs are collected, shown and written: trees, consoles, files and spans."""
