"""What laws and strategies are made of: the laws themselves, their examples, reports and random programs."""
