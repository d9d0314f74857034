"""`python -m specc` is `specc`."""

import sys

from specc.cli.main import main

sys.exit(main())
