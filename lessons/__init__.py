"""One idea each, with a picture."""
