"""Past the tutorial: safe checkpoints, speed, several processes."""
