#!/bin/sh
# /etc/amikiln/manifest.json: what was planned, and what is really here.
. ./lib.sh

mkdir -p /etc/amikiln
docker=$(docker version --format '{{json .Server}}')
buildx=$(docker buildx version | cut -d' ' -f2)

images=''
while read -r _ reference; do
    facts=$(docker image inspect --format '{"id":{{json .Id}},"size":{{json .Size}}}' "$reference")
    images="$images${images:+,}\"$reference\":$facts"
done <images.list

printf '{"planned":%s,"baked_at":"%s","docker":%s,"buildx":"%s","images":{%s}}\n' \
    "$(cat plan.json)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$docker" "$buildx" "$images" \
    >/etc/amikiln/manifest.json.new
mv /etc/amikiln/manifest.json.new /etc/amikiln/manifest.json
say "/etc/amikiln/manifest.json: $(wc -c </etc/amikiln/manifest.json) bytes"
