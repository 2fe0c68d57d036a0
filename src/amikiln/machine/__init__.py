"""A machine that lives for one stage: launched, logged in to, sent what it needs."""
