"""The lessons, each one idea. Start one by `python -m lessons.NAME`; with --help it says more.

first_epoch         one epoch on paper: residuals, signs, gradients, step; the graph of the loss
explore             a window: guess weight and bias with sliders, then train from there
loss_surface        the loss as a map, and a run's path over it; with --animation a film too
learning_rate       five learning rates for each loss, from too small to too large
optimizer_paths     SGD, momentum and Adam: the same map, other paths
finite_differences  derivatives without calculus, and how right they can be
autograd_function   a gradient by hand inside torch
limit_cycle         what the tutorial's table hides: a cycle of two states
"""

print(__doc__, end="")
