"""One idea each, with a picture. `python -m lessons` names the programs."""
