"""`python -m reachgym` is the command `reachgym`."""

from reachgym.study.cli import main

main()
