"""Is mine right? A notebook, a gradient, a trainer or an exercise of your own, held to this."""
