"""Roll out: the machines of the Auto Scaling groups follow the pointer."""
