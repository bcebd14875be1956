"""The lessons, each one idea: python -m lessons.NAME

    first_epoch         one epoch on paper: residuals, signs, gradients, step; the graph of the loss
    explore             a window: guess weight and bias with sliders, then train from there
    loss_surface        the loss as a map, and a run's path over it; with --animation a film too
    learning_rate       five learning rates for each loss, from too small to too large
    optimizer_paths     SGD, momentum, RMSprop and Adam: the same map, other paths
    finite_differences  derivatives without calculus, and how right they can be
    autograd_function   a gradient by hand inside torch
    limit_cycle         what the tutorial's table hides: a cycle of two states
    minibatches         a noisy line, a few points at a time; a validation set chooses the rate
    schedules           what ends the cycle: a learning rate that falls

With --help, each says more.
"""

print(__doc__, end="")
