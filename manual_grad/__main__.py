"""`python -m manual_grad` is `python -m manual_grad.compare`."""

from manual_grad.compare import main

main()
