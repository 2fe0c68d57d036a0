"""CloudFormation: stacks of what the local cloud has."""
