"""Found as `manual_grad` when a program of this folder is started by its file name.

`python manual_grad/compare.py`, or an editor's run button, makes Python look for modules in this
folder alone. This file adds the project's folder, and hands over to the package there.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
del sys.modules["manual_grad"]
import manual_grad  # noqa: E402, F401
