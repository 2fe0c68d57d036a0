"""What the warm build is made from: a folder or a commit, looked into, and packed."""
