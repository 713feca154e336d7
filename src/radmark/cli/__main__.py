"""`python -m radmark.cli`."""

import sys

from radmark.cli import main

sys.exit(main())
