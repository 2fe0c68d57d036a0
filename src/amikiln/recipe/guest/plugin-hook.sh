#!/bin/bash
# What the environment hook of a plugin may do to a job: the docker-login plugin's does, by default.
# https://github.com/buildkite-plugins/docker-login-buildkite-plugin/blob/master/hooks/environment
DOCKER_CONFIG=$(mktemp -d)
export DOCKER_CONFIG
