"""`python -m catdog` and the console script `catdog`."""

from catdog.cli import main

if __name__ == "__main__":
    main()
