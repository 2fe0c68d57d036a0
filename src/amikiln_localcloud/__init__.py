"""The local cloud: the AWS API on loopback, with instances that are real virtual machines.

Nothing outside this package imports it, except the command line.
"""
