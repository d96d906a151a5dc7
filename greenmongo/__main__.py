"""`python -m greenmongo`."""

import sys

from greenmongo.cli import main

if __name__ == "__main__":
    sys.exit(main())
