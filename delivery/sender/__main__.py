"""The child process of ``SenderProcess``."""

import sys

from delivery.sender.child import main

main(sys.argv[1:])
