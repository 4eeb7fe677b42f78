"""What the engine costs over hand-written Python for the same work, measured side by side in the same run."""
