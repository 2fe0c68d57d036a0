#!/bin/sh
# The whole root file system is scanned for secrets while it is still in memory. Findings that the
# spec does not allow, and that were not in the source image, fail the bake; they are printed by file
# and kind, never with their content.

# A mount namespace of its own for what is hidden from the scanner, and no network.
if [ -z "${SCAN_APART:-}" ]; then
    SCAN_APART=yes exec unshare --mount --net --propagation private sh -eu "$0"
fi
. ./lib.sh
. ./scan.sh

began=$(date +%s)
list_findings
sort -u findings.list | awk -f findings.awk listing=1 secrets.allow listing=0 - >allowed.list
[ -e source.list ] || say "the source image was not scanned: every finding counts as the bake's"
touch source.list
compare_with_source <allowed.list >decided.list
rm -rf "$here/rest" "$here/incomplete"

# -- The result is printed, and written into the manifest.

files=$(read_figure blobs_scanned)
bytes=$(read_figure bytes_scanned)
seconds=$(($(date +%s) - began))
open=$(grep -cE '^(open|changed)' decided.list || true)
result=$(
    printf '"scanner":"kingfisher %s","rules":%s,"files":%s,"bytes":%s,"seconds":%s,"open":%s,' \
        "$(read_figure version_used)" "$(read_figure rules_applied)" "$files" "$bytes" "$seconds" "$open"
    printf '"left_out":"%s","allowed":[' "$left_out"
    awk -F '\t' '/^allowed/ {
        printf "%s{\"kind\":\"%s\",\"path\":\"%s\",\"reason\":\"%s\"}", comma, $2, $3, $4
        comma = ","
    }' decided.list
    printf '],"source":['
    awk -F '\t' '/^source/ {
        printf "%s{\"kind\":\"%s\",\"path\":\"%s\",\"sha256\":\"%s\"}", comma, $2, $3, $4
        comma = ","
    }' decided.list
    printf ']'
)
manifest_file=${SCAN_ROOT:-}$MANIFEST
[ -s "$manifest_file" ] || die "there is no $manifest_file to write the scan's result into"
{
    sed -e 's/,"scan":{.*}}$/}/' -e 's/}$//' "$manifest_file" | tr -d '\n'
    printf ',"scan":{%s}}\n' "$result"
} >"$manifest_file.new"
mv "$manifest_file.new" "$manifest_file"
sync_disks
awk -F '\t' '
    /^allowed/ { print "allowed: " $2 " in \"" $3 "\": " $4 }
    /^source/ { print "in the source image, unchanged: " $2 " in \"" $3 "\"" }
    /^changed/ { print "found: " $2 " in \"" $3 "\" (in the source image, and has changed)" }
    /^open/ { print "found: " $2 " in \"" $3 "\" (not in the source image)" }' decided.list
say "not scanned: $left_out"
say "scanned for secrets: $files files, $((bytes / 1000000)) MB in $seconds s"
[ "$open" = 0 ] ||
    die "$open findings: remove them in a step of your own, or allow them in [[secrets.allow]] with a reason"
