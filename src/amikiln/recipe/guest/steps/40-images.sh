#!/bin/sh
# The listed images, each by the digest that was planned, then under the tag that people use.
. ./lib.sh

PULLS_AT_ONCE=4

cat >pull-one.sh <<'PULL'
. ./lib.sh
trap - EXIT
for attempt in 1 2 3; do
    if docker_with_logins pull --quiet "$1" >/dev/null; then
        docker tag "$1" "$2"
        printf 'pulled %s\n' "$2"
        exit 0
    fi
    printf 'pull of %s failed (attempt %s of 3)\n' "$2" "$attempt"
    sleep $((attempt * 5))
done
exit 1
PULL

xargs -r -n 2 -P "$PULLS_AT_ONCE" sh -u pull-one.sh <images.list ||
    die "not every image could be pulled; the lines above name it and say why"
