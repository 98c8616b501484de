"""The numbers that scangrid holds, measured: ``python -m bench list | run | verify | readme``; see README.md."""
