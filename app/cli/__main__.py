"""`python -m cladescope.app.cli`: the command line where no script can be named, as under torchrun."""

from cladescope.app.cli import main

if __name__ == "__main__":
    main()
