# shellcheck shell=sh
# The scan for secrets. Sourced after lib.sh by 05-scan-source, before the bake changes anything, and
# by 97-scan, after its last change; both in a mount namespace of their own.

LARGEST_MB=256
here=$PWD/scan
tab=$(printf '\t')

# Writes findings.list: KIND<tab>PATH for each finding, the path as in a JSON string; leaves the root
# that was scanned at $here/root.
list_findings() {
    # Only these: the whole file system may be mounted at $here/root.
    rm -rf "$here/rest" "$here/incomplete"
    mkdir -p "$here/root" "$here/rest"
    # A bind mount shows this file system and nothing that is mounted over it: no /proc, no /run.
    mount --bind "${SCAN_ROOT:-/}" "$here/root"
    # The scanner's own rules always ignore some file names; ours (scanner-rules.yml) do not.
    left_out='contents of compressed archives and git objects, images, fonts, lock files and node_modules (but for our own rules), compiled programs (for entropy alone)'
    hide_layers
    scan_tree
}

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
hide_layers() {
    docker_data=$(sed -n 's/.*"data-root"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' \
        "$here/root/etc/docker/daemon.json" 2>/dev/null || true)
    docker_data=${docker_data:-/var/lib/docker}
    docker_data=${docker_data#/}
    # There is none yet in a source image.
    builder_state=$(find_builder_state 2>/dev/null) || true
    builder_state=${builder_state:-/var/lib/buildkit}
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
}

# Code looks as random as a key does.
is_program() { [ "$(head -c 4 "$here/root$1" 2>/dev/null | tr '\177' X)" = XELF ]; }

read_figure() { sed -n "s/^{\"findings\":.*\"$1\":\"\{0,1\}\([0-9.]*\).*/\1/p" scan.jsonl; }

scan_tree() {
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

    for figure in blobs_scanned rules_applied; do
        [ "$(read_figure "$figure")" -gt 0 ] ||
            die "the scanner says $figure: 0, so nothing is known about this image"
    done

    # The rule's id comes before the path, and what comes between has been redacted by the scanner.
    awk -v here="$here" '
        /^\{"rule":/ {
            match($0, /"id":"[^"]*"/)
            id = substr($0, RSTART + 6, RLENGTH - 7)
            match($0, /"path":".*"/)
            path = substr($0, RSTART + 8, RLENGTH - 9)
            if (index(path, here "/root/") == 1 || index(path, here "/rest/") == 1)
                path = substr(path, length(here "/root") + 1)
            if (id == "amikiln.entropy" && path !~ /^\/(root|home|etc|opt|var\/tmp)\//) next
            print id "\t" path
        }' scan.jsonl >patterns.list
    while IFS="$(printf '\t')" read -r kind path; do
        if [ "$kind" = amikiln.entropy ] && is_program "$path"; then continue; fi
        printf '%s\t%s\n' "$kind" "$path"
    done <patterns.list >>findings.list
    sh short-list.sh "$here/root" >>findings.list
}

# -- What was in the source image already.

# Adds a third column to findings: the SHA-256 of the file's content, or - where it cannot be read.
hash_findings() {
    while IFS=$tab read -r kind path; do
        # As in a JSON string: printf knows all of its escapes but the one for quotes.
        file=$(printf '%b' "$(printf '%s' "$path" | sed 's/\\"/"/g')")
        hash=$(sha256sum 2>/dev/null <"$here/root$file") || hash=-
        printf '%s\t%s\t%s\n' "$kind" "$path" "${hash%% *}"
    done
}

# Leaves out what this machine got when it booted, as its host keys and whoever may log in: that is
# no part of the source image, and has to be gone at the end.
leave_out_what_booting_made() {
    booted=$(sh boot-moment.sh)
    while IFS=$tab read -r kind path hash; do
        case $kind in ssh-host-key | authorized-keys | user-data | history) continue ;; esac
        case $path in /etc/ssh/ssh_host_* | /var/lib/cloud/*) continue ;; esac
        file=$(printf '%b' "$(printf '%s' "$path" | sed 's/\\"/"/g')")
        changed=$(stat -c %Y "$here/root$file" 2>/dev/null) || continue
        [ "$changed" -lt "$booted" ] || continue
        [ "$hash" = - ] || printf '%s\t%s\t%s\n' "$kind" "$path" "$hash"
    done
}

# Reads lines of findings.awk. Those that are open become
#   source<tab>KIND<tab>PATH<tab>SHA256   the same in the same file, which has the same content
#   changed<tab>KIND<tab>PATH             the same in the same file, which has changed
compare_with_source() {
    cat >compared.list
    sed -n "s/^open$tab//p" compared.list | hash_findings | awk -F '\t' '
        FILENAME == "source.list" { hash[$1 FS $2] = $3; next }
        !(($1 FS $2) in hash) { print "open\t" $1 "\t" $2; next }
        hash[$1 FS $2] == $3 { print "source\t" $0; next }
        { print "changed\t" $1 "\t" $2 }' source.list -
    sed -n "/^allowed$tab/p" compared.list
}
