"""`python -m manual_grad` is `python -m manual_grad.compare`."""

from manual_grad import compare, program

program.run(compare.main, compare.__doc__)
