"""The tutorial's training by hand: closed-form gradients, our own autograd, manual updates."""
