"""The vocabulary of anabranch: what a graph is, what flows along it, what may go wrong. It runs nothing."""
