"""Is mine right? Four programs, one for each kind of work: python -m check.NAME

    notebook   python -m check.notebook my.ipynb     why does my run print these numbers?
    gradient   python -m check.gradient mine.py      is my gradient the derivative of my loss?
    trainer    python -m check.trainer mine.py       does my training loop follow torch.optim?
    exercise   python -m check.exercise 3 mine.py    is my solution of an exercise right?

The exit status is 0 if it is right, 1 if it is not, and 2 if it can't be checked, which one line on
stderr explains. Each program says with --help what it wants from your file.
"""

print(__doc__, end="")
