#!/bin/sh
# The source image is scanned for secrets before anything changes: what is in it already is no fault
# of the bake, and 97-scan, which scans in the same way, says so.

if [ -z "${SCAN_APART:-}" ]; then
    SCAN_APART=yes exec unshare --mount --net --propagation private sh -eu "$0"
fi
. ./lib.sh
. ./scan.sh

if [ -e source.list ]; then
    # This step ran before: by now there may be what the bake brought.
    say "the source image was scanned before"
    exit 0
fi
list_findings
sort -u findings.list | hash_findings | leave_out_what_booting_made >source.list.new
mv source.list.new source.list
rm -rf "$here/rest" "$here/incomplete"
awk -F '\t' '{ print "in the source image: " $1 " in \"" $2 "\"" }' source.list
say "the source image was scanned for secrets: $(wc -l <source.list) findings"
