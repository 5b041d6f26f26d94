"""The child process of ``SenderProcess``."""

import sys

from delivery.sender.child import main

if __name__ == "__main__":
    main(sys.argv[1:])
