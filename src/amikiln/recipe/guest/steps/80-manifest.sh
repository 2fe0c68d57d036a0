#!/bin/sh
# The manifest: what was planned, and what is on this machine.
. ./lib.sh

# Reads lines "NAME VALUE" and prints a JSON object; of equal names the last one counts.
print_json_object() { # FORMAT of a value
    awk -v format="\"%s\":$1" '
        !($1 in value) { order[++count] = $1 }
        { value[$1] = $2 }
        END {
            for (i = 1; i <= count; i++) {
                printf (i > 1 ? "," : "") format, order[i], value[order[i]]
            }
        }'
}

mkdir -p "$RECORDS"
docker=$(docker version --format '{{json .Server}}')
buildx=$(docker buildx version | cut -d' ' -f2)
buildkit=$(print_builder_version)

# No build may follow: verify compares this with what it finds.
store=$(print_builder_store)

images=''
while read -r _ reference; do
    facts=$(docker image inspect --format '{"id":{{json .Id}},"size":{{json .Size}}}' "$reference")
    images="$images${images:+,}\"$reference\":$facts"
done <images.list

{
    printf '{"planned":%s,' "$(cat plan.json)"
    printf '"baked_at":"%s","kernel":"%s",' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(uname -r)"
    printf '"machine":"%s",' "$(detect_machine)"
    printf '"docker":%s,"buildx":"%s","buildkit":"%s",' "$docker" "$buildx" "$buildkit"
    printf '"store":%s,' "$store"
    printf '"docker_store":%s,' "$(docker info --format \
        '{"driver":{{json .Driver}},"data_root":{{json .DockerRootDir}}}')"
    printf '"images":{%s},' "$images"
    printf '"seconds":{%s},' "$(print_json_object %s <times.list)"
    printf '"packages":{%s}}\n' "$(list_packages | print_json_object '\"%s\"')"
} >"$MANIFEST.new"
mv "$MANIFEST.new" "$MANIFEST"
say "$MANIFEST: $(wc -c <"$MANIFEST") bytes"
