"""What both tutorials leave open: the cycle, safe checkpoints, speed, several processes."""
