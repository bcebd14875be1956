"""`python -m beyond` names the programs there."""

print("Start one of: python -m beyond.benchmark, beyond.data_parallel")
