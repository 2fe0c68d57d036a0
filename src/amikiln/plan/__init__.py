"""Everything that can move is resolved here, once, and checked before anything is made."""
