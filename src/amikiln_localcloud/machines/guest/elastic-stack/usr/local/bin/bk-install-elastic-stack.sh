#!/usr/bin/env bash
# Stands for the Elastic CI Stack's script of this name. Nobody has a stack here, so nobody may run it:
# it would start the agent and report to CloudFormation.
touch /var/lib/elastic-stack-was-installed
echo "this machine belongs to no stack" >&2
exit 1
