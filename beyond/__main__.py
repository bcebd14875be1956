"""`python -m beyond` names the programs there."""

print("Start one of: python -m beyond.limit_cycle, beyond.benchmark, beyond.data_parallel")
