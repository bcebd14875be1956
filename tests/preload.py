"""What the server of programs.py loads once: the libraries, and what torch loads on first use."""

import matplotlib.pyplot  # noqa: F401
import torch

torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
