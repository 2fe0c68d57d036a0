# shellcheck shell=sh
set -- --file=docker/docker-bake.hcl '--set=*.output=type=cacheonly' '--set=*.cache-to=' test
