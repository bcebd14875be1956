"""Is mine right? A notebook, gradient, trainer or exercise of your own, compared with this."""
