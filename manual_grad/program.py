"""What the programs here share: their options, --help, and `| head`."""

import argparse
import os
import sys


def run(main, doc, arguments=()):
    """Read the command line and call main with its options; --help shows `doc`.

    `arguments` are (name, settings) pairs for argparse's add_argument. An unknown option ends the
    program, and so does, without a traceback, a reader that has closed the pipe (`| head`).
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    options = vars(parser.parse_args())
    try:
        main(**options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
