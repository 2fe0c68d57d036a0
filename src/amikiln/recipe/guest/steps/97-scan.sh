#!/bin/sh
# The whole root file system is scanned for secrets while it is still in memory. Findings that the
# spec does not allow fail the bake; they are printed by file and kind, never with their content.

# A mount namespace of its own for what is hidden from the scanner, and no network.
if [ -z "${SCAN_APART:-}" ]; then
    SCAN_APART=yes exec unshare --mount --net --propagation private sh -eu "$0"
fi
. ./lib.sh

LARGEST_MB=256
began=$(date +%s)
here=$PWD/scan
# Only these: the whole file system may be mounted at $here/root.
rm -rf "$here/rest" "$here/incomplete"
mkdir -p "$here/root" "$here/rest"
# A bind mount shows this file system and nothing that is mounted over it: no /proc, no /run.
mount --bind "${SCAN_ROOT:-/}" "$here/root"
# The scanner's own rules always ignore some file names; ours (scanner-rules.yml) do not.
left_out='contents of compressed archives and git objects, images, fonts, lock files and node_modules (but for our own rules), compiled programs (for entropy alone)'

# -- What is left out, and the metadata inside it that is not.

# Docker's and BuildKit's configurations and manifests, which lie among compressed layers.
copy_documents() { # FOLDER below the root
    find "$here/root/$1" -xdev -type f -size -4096k | while IFS= read -r blob; do
        [ "$(head -c 1 "$blob" | tr -d '\0')" = '{' ] || continue
        copy=$here/rest/${blob#"$here/root/"}
        mkdir -p "${copy%/*}"
        cp "$blob" "$copy"
    done
}
hide() { # FOLDER below the root
    [ -n "$(ls -A "$here/root/$1" 2>/dev/null)" ] || return 0
    case $1 in *content/blobs | *.content) copy_documents "$1" ;; esac
    mount -t tmpfs -o ro,size=4k none "$here/root/$1"
    left_out="$left_out, layers in /$1"
    say "left out: layer contents in /$1"
}

docker_data=$(sed -n 's/.*"data-root"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' \
    "$here/root/etc/docker/daemon.json" 2>/dev/null || true)
docker_data=${docker_data:-/var/lib/docker}
docker_data=${docker_data#/}
builder_state=$(find_builder_state)
builder_state=${builder_state#/}
for store in overlay2 overlayfs fuse-overlayfs vfs btrfs rootfs; do hide "$docker_data/$store"; done
for store in "$docker_data/containerd/daemon" var/lib/containerd; do
    for snapshots in "$here/root/$store"/io.containerd.snapshotter.v1.*; do
        hide "${snapshots#"$here/root/"}"
    done
    hide "$store/io.containerd.content.v1.content"
done
for state in "$builder_state" "$docker_data/buildkit" var/lib/buildkit; do
    for worker in "$here/root/$state" "$here/root/$state"/runc-*; do
        worker=${worker#"$here/root/"}
        hide "$worker/snapshots"
        hide "$worker/content/blobs"
    done
done

# -- The scan itself.

find "$here/root" -xdev -type f -size "+${LARGEST_MB}M" \
    -exec sh short-list.sh --print "$here/root" too-large-to-scan {} + >findings.list
tree=$here/root
quicker=''
if [ "$(detect_machine)" = qemu ] && [ -d "$here/root/var/lib/dpkg/info" ]; then
    # Emulated, the scanner, which uses vector instructions throughout, reads 1 MB a second: files
    # whose checksums are those of Debian's packages are left out, and nothing else.
    quicker=--turbo
    (
        cd "$here/root" || exit
        cat var/lib/dpkg/info/*.md5sums | md5sum --check 2>/dev/null | sed -n 's/: OK$//p' |
            if [ -L bin ]; then sed -E 's#^(bin|sbin|lib|lib32|lib64)/#usr/\1/#'; else cat; fi |
            sort >"$here/packaged"
        find . -xdev -type f -size "-$((LARGEST_MB + 1))M" -print0 | tr '\n\0' '\1\n' | sed 's#^\./##' |
            awk 'NR == FNR { packaged[$0]; next } !($0 in packaged)' "$here/packaged" - |
            tr '\n\1' '\0\n' >"$here/others"
        { tar --null --no-recursion -T "$here/others" -cf - || touch "$here/incomplete"; } |
            tar -xf - -C "$here/rest"
    )
    [ ! -e "$here/incomplete" ] || die "not every file could be read: nothing is known about this image"
    unchanged=$(wc -l <"$here/packaged")
    left_out="$left_out, what base64 encodes, $unchanged files that are as their packages' checksums say"
    say "left out: $unchanged files that are as their packages' checksums say, and what base64" \
        "encodes: this machine is emulated"
    tree=
fi

code=0
# shellcheck disable=SC2086 # an empty word is no argument
./kingfisher scan $quicker --no-validate --no-update-check --format jsonl --redact --no-dedup \
    --no-ignore --rules-path scanner-rules.yml --rule-cache-dir rule-cache --git-history none \
    --no-extract-archives --max-file-size "$LARGEST_MB" ${tree:+"$tree"} "$here/rest" \
    >scan.jsonl 2>scan.log || code=$?
case $code in
0 | 200) ;;
*)
    tail -n 5 scan.log >&2
    die "the scanner failed with exit code $code: nothing is known about this image"
    ;;
esac
grep -q '"scan_partial":0,"scan_failed":0' scan.jsonl ||
    die "the scanner does not say that it read everything: nothing is known about this image"

# The rule's id comes before the path, and what comes between has been redacted by the scanner.
awk -v here="$here" '
    /^\{"rule":/ {
        match($0, /"id":"[^"]*"/)
        id = substr($0, RSTART + 6, RLENGTH - 7)
        match($0, /"path":".*"/)
        path = substr($0, RSTART + 8, RLENGTH - 9)
        sub(/^.*\/scan\/(root|rest)\//, "/", path)
        if (id == "amikiln.entropy" && path !~ /^\/(root|home|etc|opt|var\/tmp)\//) next
        print id "\t" path
    }' scan.jsonl >patterns.list
# Code looks as random as a key does.
is_program() { [ "$(head -c 4 "$here/root$1" 2>/dev/null | tr '\177' X)" = XELF ]; }
while IFS="$(printf '\t')" read -r kind path; do
    if [ "$kind" = amikiln.entropy ] && is_program "$path"; then continue; fi
    printf '%s\t%s\n' "$kind" "$path"
done <patterns.list >>findings.list
sh short-list.sh "$here/root" >>findings.list
sort -u findings.list |
    awk -f findings.awk listing=1 secrets.allow listing=0 - >decided.list
rm -rf "$here/rest" "$here/incomplete"

# -- The result is printed, and written into the manifest.

read_figure() { sed -n "s/^{\"findings\":.*\"$1\":\"\{0,1\}\([0-9.]*\).*/\1/p" scan.jsonl; }
files=$(read_figure blobs_scanned)
bytes=$(read_figure bytes_scanned)
seconds=$(($(date +%s) - began))
open=$(grep -c '^open' decided.list || true)
result=$(
    printf '"scanner":"kingfisher %s","rules":%s,"files":%s,"bytes":%s,"seconds":%s,"open":%s,' \
        "$(read_figure version_used)" "$(read_figure rules_applied)" "$files" "$bytes" "$seconds" "$open"
    printf '"left_out":"%s","allowed":[' "$left_out"
    awk -F '\t' '/^allowed/ {
        printf "%s{\"kind\":\"%s\",\"path\":\"%s\",\"reason\":\"%s\"}", comma, $2, $3, $4
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
    /^open/ { print "found: " $2 " in \"" $3 "\"" }' decided.list
say "not scanned: $left_out"
say "scanned for secrets: $files files, $((bytes / 1000000)) MB in $seconds s"
[ "$open" = 0 ] ||
    die "$open findings: remove them in a step of your own, or allow them in [[secrets.allow]] with a reason"
