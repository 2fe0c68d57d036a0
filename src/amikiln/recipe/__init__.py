"""What runs inside the machine: numbered POSIX shell steps, and the values they work with."""
